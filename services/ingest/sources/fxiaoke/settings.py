"""What a person says about one Fxiaoke enterprise."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from services.ingest.sources.adapter import Secret, SourceSettings
from services.ingest.sources.fxiaoke.fields import CUSTOMER, DEAL, FIELDS, ORDER, PAYMENT, REFUND
from services.ingest.sources.payload import currency_code, decimal, time_zone
from services.ingest.sources.signing import TOLERANCE_SECONDS
from shared.kernel.errors import QuintantError

KINDS = (CUSTOMER, DEAL, ORDER, PAYMENT, REFUND)
_DAY_SECONDS = 86_400


class FxiaokeSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the enterprise, and how to read what it leaves open."""

    enterprise_account: Annotated[
        str,
        Meta(
            title="Enterprise account (企业账号)",
            description="Notices of another enterprise are refused; empty: of none",
        ),
    ] = ""
    app_id: Annotated[
        str, Meta(title="App id (AppId)", description="Of the self-built app (企业自建应用), such as FSAID_1317")
    ] = ""
    app_secret: Annotated[Secret, Meta(title="App secret (AppSecret)")] = ""
    permanent_code: Annotated[Secret, Meta(title="Permanent code (永久授权码)")] = ""
    user: Annotated[
        str,
        Meta(
            title="Mobile number (手机号) of a CRM administrator",
            description="In whose name objects are read: what they may not see counts as deleted. Or their open user "
            "id, FSUID_…",
        ),
    ] = ""
    api_url: Annotated[
        str,
        Meta(
            title="Address of the API",
            description="Of the enterprise's cloud (所在云), as https://open-na.sharecrm.com",
        ),
    ] = "https://open.fxiaoke.com"
    polled: Annotated[
        tuple[str, ...], Meta(title="Objects to poll", description="Without those that the enterprise does not use")
    ] = KINDS
    currency: Annotated[
        str, Meta(title="Home currency (本位币)", description="Of amounts whose object names none: ISO 4217")
    ] = "CNY"
    tax_percent: Annotated[
        str,
        Meta(
            title="VAT in the amounts of deals and orders, per cent",
            description="Fxiaoke's own fields do not part it: 13 takes 13 % out, 0 takes amounts as net",
        ),
    ] = "0"
    time_zone: Annotated[str, Meta(title="Time zone in which dates are entered")] = "Asia/Shanghai"
    outcomes: Annotated[
        dict[str, str],
        Meta(title="Closed deals", description="Value or label of the stage status (sales_status) → won or lost"),
    ] = msgspec.field(
        default_factory=lambda: {"2": "won", "3": "lost", "4": "lost", "赢单": "won", "输单": "lost", "无效": "lost"}
    )
    fields: Annotated[
        dict[str, dict[str, str]],
        Meta(
            title="Field names",
            description="Object → our name → its field, where the enterprise's differ from the table on the source's "
            'page: {"NewOpportunityObj": {"loss_reason": "field_x1__c"}}',
        ),
    ] = msgspec.field(default_factory=dict)
    replay_seconds: Annotated[
        int, Meta(title="Age of a notice up to which it is taken, seconds", ge=60, le=_DAY_SECONDS)
    ] = TOLERANCE_SECONDS

    def __post_init__(self) -> None:
        """Refuses what no notice could be read with."""
        time_zone(self.time_zone, like="Asia/Shanghai")
        try:
            currency_code(self.currency)
            percent = decimal(self.tax_percent)
        except QuintantError as error:
            raise ValueError("currency must be an ISO 4217 code, tax_percent a number such as 13") from error
        if percent is None or not 0 <= percent < 100:
            raise ValueError("tax_percent must lie between 0 and 100")
        if not set(self.outcomes.values()) <= {"won", "lost"}:
            raise ValueError("outcomes must lead to won or lost")
        if not set(self.polled) <= set(KINDS):
            raise ValueError(f"polled must be some of {', '.join(KINDS)}")
        for kind, names in self.fields.items():
            if not names.keys() <= FIELDS.get(kind, {}).keys():
                raise ValueError(f"fields: {kind} has no such name; known are {', '.join(FIELDS.get(kind, FIELDS))}")

    @property
    def connected(self) -> bool:
        """Whether the API can be called."""
        return bool(self.app_id and self.app_secret and self.permanent_code and self.user)

    def names(self, kind: str) -> Mapping[str, str]:
        """Our name → the field of this enterprise."""
        return {**FIELDS[kind], **self.fields.get(kind, {})}
