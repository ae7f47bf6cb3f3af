"""A made-up story as outbound messages. A real org tells of deletions by change events; here the message says so."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import fingerprint
from services.ingest.sources.story import Shown, Signed, SimulatedDeal, Step, Subject, Thing

_STAGES: Mapping[str, tuple[str, int]] = {
    "prospecting": ("Prospecting", 10),
    "qualification": ("Qualification", 10),
    "needs-analysis": ("Needs Analysis", 20),
    "solution-presentation": ("Value Proposition", 50),
    "proposal-negotiation": ("Negotiation/Review", 90),
    "won": ("Closed Won", 100),
    "lost": ("Closed Lost", 0),
}
_OF_SOAP, _OF_REST = "Z", "+0000"
"""How each writes UTC."""
_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{organization}</OrganizationId>
   <ActionId>04kSM0000000001YAA</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://simulated.my.salesforce.com/services/Soap/c/62.0/{organization}</EnterpriseUrl>
   <PartnerUrl>https://simulated.my.salesforce.com/services/Soap/u/62.0/{organization}</PartnerUrl>
{notifications}  </notifications>
 </soapenv:Body>
</soapenv:Envelope>
"""
_NOTIFICATION = """   <Notification>
    <Id>{id}</Id>
    <sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
{fields}    </sObject>
   </Notification>
"""


class SalesforceSimulator:
    """Tells deals."""

    subject: Subject = "deals"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One message a step."""
        del sent_at
        record = _record(_deal(step.now))
        notification = f"04l{fingerprint(record['Id'], record['SystemModstamp'])[:12]}AAA"
        body = message(account.settings.organization_id, {notification: ("Opportunity", record)})
        headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
        return [Signed(headers, body, path_key=account.secrets[0])]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The record of the REST API."""
        deal = _deal(thing)
        return [] if deal.deleted else [Shown("Opportunity", _id("006", deal.number), _record(deal, _OF_REST))]


def message(organization: str, notifications: Mapping[str, tuple[str, Mapping[str, Any]]]) -> bytes:
    """The SOAP request with these notifications, by id; empty fields are left out, as Salesforce does."""
    told = "".join(
        _NOTIFICATION.format(id=found, kind=kind, fields="".join(map(_field, record, record.values())))
        for found, (kind, record) in notifications.items()
    )
    return _ENVELOPE.format(organization=organization, notifications=told).encode()


def _field(name: str, value: object) -> str:
    if value is None:
        return ""
    written = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"     <sf:{name}>{written}</sf:{name}>\n"


def _deal(thing: Thing) -> SimulatedDeal:
    assert isinstance(thing, SimulatedDeal)  # noqa: S101 - a story of deals holds nothing else
    return thing


def _record(deal: SimulatedDeal, offset: str = _OF_SOAP) -> dict[str, Any]:
    stage, probability = _STAGES[deal.stage]
    return {
        "Id": _id("006", deal.number),
        "IsDeleted": deal.deleted,
        "Name": deal.title,
        "AccountId": _id("001", deal.customer),
        "OwnerId": _id("005", deal.owner),
        "StageName": stage,
        "Amount": deal.amount,
        "CurrencyIsoCode": deal.currency,
        "CloseDate": deal.close_on.isoformat(),
        "Probability": probability,
        "LeadSource": None,
        "CreatedDate": _time(deal.created_at, offset),
        "LastModifiedDate": _time(deal.changed_at, offset),
        "SystemModstamp": _time(deal.changed_at, offset),
    }


def _id(prefix: str, number: int) -> str:
    return f"{prefix}{number:012d}AAA"


def _time(when: datetime, offset: str) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000") + offset


SIMULATOR = SalesforceSimulator()
