"""What is said about stages: every new transition once, nothing about history, nothing twice."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.history import history
from services.pipeline.handlers import handler, say
from shared.kernel.journal import Assertion, Journal, merge
from shared.messaging.folding import Change
from shared.sales.references import Key
from shared.storage.folds import Entity
from shared.storage.outbox import Message
from tests.unit.pipeline.stories import Story, company, law, references, stories

DEAL = Key("deal", "D-1")
COMPANY = company()


def change(before: Journal, said: Sequence[Assertion], *, reconstructed: bool = False) -> Change:
    return Change(Entity(DEAL, before), Entity(DEAL, merge(before, said)), said, {}, reconstructed)


def ids(messages: Sequence[Message]) -> list[str]:
    return [message.headers["ce_id"] for message in messages]


@law
@given(stories())
def test_a_deal_told_at_once_says_each_of_its_transitions(story: Story) -> None:
    said = say(COMPANY, [change((), story.deal)], references(story.references))
    assert len(set(ids(said))) == len(said) >= 1
    assert {message.key for message in said} == {"D-1"}


@law
@given(stories(), st.data())
def test_a_deal_told_event_by_event_says_nothing_twice_in_a_row(story: Story, data: st.DataObject) -> None:
    refs = references(story.references)
    journal: Journal = ()
    heard: set[str] = set()
    for one in data.draw(st.permutations(story.deal)):
        said = ids(say(COMPANY, [change(journal, [one])], refs))
        assert not set(said) & set(ids(say(COMPANY, [change((), journal)], refs)))
        heard |= set(said)
        journal = merge(journal, [one])
    assert heard >= set(ids(say(COMPANY, [change((), story.deal)], refs)))


@law
@given(stories(), st.data())
def test_what_was_forgotten_is_made_again_as_it_was(story: Story, data: st.DataObject) -> None:
    refs, of_deals = references(story.references), handler(COMPANY)
    kept, forgotten = Entity(DEAL), Entity(DEAL)
    for one in data.draw(st.permutations(story.deal)):
        journal = merge(kept.journal, [one])
        if forgotten.journal:
            forgotten = replace(forgotten, model=of_deals.revive(forgotten, refs))
        assert forgotten.model == kept.model
        models = [of_deals.fold(before, journal, refs, None).model for before in (kept, forgotten)]
        told = [
            Change(before, Entity(DEAL, journal, model=model), [one], {}, reconstructed=False)
            for before, model in zip((kept, forgotten), models, strict=True)
        ]
        assert of_deals.say(told[:1], refs) == of_deals.say(told[1:], refs)
        kept, forgotten = told[0].after, Entity(DEAL, journal)


@law
@given(stories())
def test_what_is_known_already_says_nothing(story: Story) -> None:
    assert not say(COMPANY, [change(story.journal, story.deal)], references(story.references))


@law
@given(stories())
def test_history_says_nothing(story: Story) -> None:
    assert not say(COMPANY, [change((), story.deal, reconstructed=True)], references(story.references))


@law
@given(stories())
def test_an_ended_deal_is_in_no_stage(story: Story) -> None:
    for message in say(COMPANY, [change((), story.deal)], references(story.references)):
        body = msgspec.json.decode(message.value)
        assert (body["to"] is None) == (body["outcome"] == "ended")


@law
@given(stories())
def test_folding_posts_nothing_and_asks_for_what_the_history_asks(story: Story) -> None:
    refs = references(story.references)
    folded = handler(COMPANY).fold(Entity(DEAL), story.journal, refs, None)
    assert (folded.owed, folded.asked) == ({}, history(story.journal, refs, COMPANY).asked)
