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
from shared.sales.references import Key, References
from shared.sales.timeline import Standing
from shared.storage.folds import Entity
from shared.storage.outbox import Message
from tests.unit.pipeline.stories import Story, company, references, stories

DEAL = Key("deal", "D-1")
COMPANY = company()


OF_DEALS = handler(COMPANY)


def change(
    before: Entity | Journal, said: Sequence[Assertion], refs: References, *, reconstructed: bool = False
) -> Change:
    """What a lane would make of it; without a model if only a journal is given."""
    known = before if isinstance(before, Entity) else Entity(DEAL, before)
    journal = merge(known.journal, said)
    folded = OF_DEALS.fold(known, journal, refs, None)
    after = Entity(DEAL, journal, Standing(asked=folded.asked), model=folded.model)
    return Change(known, after, said, {}, reconstructed, folded.result)


def ids(messages: Sequence[Message]) -> list[str]:
    return [message.headers["ce_id"] for message in messages]


@given(stories())
def test_a_deal_told_at_once_says_each_of_its_transitions(story: Story) -> None:
    said = say(COMPANY, [change((), story.deal, references(story.references))], references(story.references))
    assert len(set(ids(said))) == len(said) >= 1
    assert {message.key for message in said} == {"D-1"}


@given(stories(), st.data())
def test_a_deal_told_event_by_event_says_nothing_twice_in_a_row(story: Story, data: st.DataObject) -> None:
    refs = references(story.references)
    journal: Journal = ()
    heard: set[str] = set()
    for one in data.draw(st.permutations(story.deal)):
        said = ids(say(COMPANY, [change(journal, [one], refs)], refs))
        if journal:
            assert not set(said) & set(ids(say(COMPANY, [change((), journal, refs)], refs)))
        heard |= set(said)
        journal = merge(journal, [one])
    assert heard >= set(ids(say(COMPANY, [change((), story.deal, refs)], refs)))


@given(stories(), st.data())
def test_what_was_forgotten_goes_on_as_what_was_kept(story: Story, data: st.DataObject) -> None:
    refs = references(story.references)
    kept = forgotten = Entity(DEAL)
    for one in data.draw(st.permutations(story.deal)):
        told = [change(before, [one], refs) for before in (kept, forgotten)]
        assert told[0].result == told[1].result
        assert OF_DEALS.say(told[:1], refs) == OF_DEALS.say(told[1:], refs)
        kept = told[0].after
        packed = OF_DEALS.pack(kept)
        assert packed is not None
        forgotten = replace(kept, model=OF_DEALS.revive(replace(kept, model=None), packed))
        assert forgotten == kept


@given(stories())
def test_the_end_that_other_rules_made_is_not_read_on(story: Story) -> None:
    made = change((), story.deal, references(story.references)).after
    packed = OF_DEALS.pack(made)
    assert packed is not None
    for other in (handler(company("Asia/Shanghai")), handler(COMPANY, "other code")):
        assert other.revive(made, packed) is None
    assert OF_DEALS.pack(Entity(DEAL)) is None


@given(stories(), st.data())
def test_without_a_model_the_same_is_said(story: Story, data: st.DataObject) -> None:
    """When other rules have made what is stored, nothing is told again that these rules would have told."""
    refs = references(story.references)
    known = Entity(DEAL)
    for one in data.draw(st.permutations(story.deal)):
        told = change(known, [one], refs)
        anew = change(known.journal, [one], refs)
        assert ids(OF_DEALS.say([told], refs)) == ids(OF_DEALS.say([anew], refs))
        known = told.after


@given(stories())
def test_what_is_known_already_says_nothing(story: Story) -> None:
    assert not say(
        COMPANY, [change(story.journal, story.deal, references(story.references))], references(story.references)
    )


@given(stories())
def test_history_says_nothing(story: Story) -> None:
    assert not say(
        COMPANY,
        [change((), story.deal, references(story.references), reconstructed=True)],
        references(story.references),
    )


@given(stories())
def test_an_ended_deal_is_in_no_stage(story: Story) -> None:
    for message in say(COMPANY, [change((), story.deal, references(story.references))], references(story.references)):
        body = msgspec.json.decode(message.value)
        assert (body["to"] is None) == (body["outcome"] == "ended")


@given(stories())
def test_folding_posts_nothing_and_asks_for_what_the_history_asks(story: Story) -> None:
    refs = references(story.references)
    folded = handler(COMPANY).fold(Entity(DEAL), story.journal, refs, None)
    assert (folded.owed, folded.asked) == ({}, history(story.journal, refs, COMPANY).asked)
