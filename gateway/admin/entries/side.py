"""The admin side's part for entries: shown, and moved one by one by a person. Many are a job's affair."""

from typing import Any, Final

from msgspec.structs import replace

from adapters.amount import scale
from gateway.admin import asks
from gateway.admin.access.tokens import Person
from gateway.admin.desk import Desk
from gateway.admin.duties.side import Duties
from gateway.admin.entries.acts import Act, Acts, Order
from gateway.admin.entries.inquiring import SAID
from gateway.admin.entries.reveal import RevealedShown, Revealing, masked_of
from gateway.admin.entries.turn import turn_shown
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import entry_shown
from gateway.log import log
from spool.entry import Entry
from spool.lifecycle import State

_ACTS: Final = {act.word: act for act in Act}


class EntriesSide:
    """Answers about entries."""

    def __init__(self, desk: Desk, meter: AdminMeter, acts: Acts, duties: Duties) -> None:
        """Show what is on the desk and have `acts` move it; ends by hand are the duties' affair."""
        self._desk = desk
        self._meter = meter
        self._duties = duties
        self._acts = acts
        self._revealing = Revealing(desk, meter)

    async def show(self, call: Call) -> Any:
        """One entry by number or id."""
        return await self._shown(await self._named(call.parts[0]))

    async def show_by_key(self, call: Call) -> Any:
        """One entry by its channel and key."""
        entry = await self._desk.spool.store.find(*asks.key_asked(call.query))
        if entry is None:
            raise Trouble(Code.NO_SUCH_ENTRY)
        return await self._shown(entry)

    async def _named(self, reference: str) -> Entry:
        number, id_ = asks.number_asked(reference)
        entry = await self._desk.spool.store.get(number)
        if entry is None or (id_ and entry.id != id_):
            raise Trouble(Code.NO_SUCH_ENTRY)
        return entry

    async def _shown(self, entry: Entry) -> Any:
        history = await self._desk.spool.store.history(entry.number)
        account = masked_of(self._desk, entry)
        turn = await turn_shown(self._desk, entry)
        shown = entry_shown(entry, history, self._desk.spool.keys.destroyed, account, turn)
        if entry.state in Act.INQUIRE.sources and self._acts.unaskable(entry) is not None:
            return replace(shown, may=tuple(verb for verb in shown.may if verb != Act.INQUIRE.word))
        return shown

    # Acting on entries

    async def act_on_one(self, call: Call) -> Any:
        """Hold, release, inquire about or retry one entry; the answer is the entry as it is then."""
        reference, verb = call.parts
        act, reason = _ACTS[verb], asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        entry = await self._named(reference)
        if entry.state not in act.sources:
            sources = " or ".join(sorted(state.word for state in act.sources))
            raise Trouble(Code.WRONG_STATE, f"it is {entry.state.word}; {act.word} starts from {sources}")
        self._demand_alone(act, entry)
        done = await self._acts.one(entry, Order(act=act, actor=call.person.name, reason=reason))
        self._did(call.person, act.word, done.entries, number=entry.number)
        if not done.entries:
            why = next(iter(done.unchanged))
            raise Trouble(Code.UNDECIDABLE, SAID[why]) if why in SAID else Trouble(Code.CHANGED)
        return await self._shown(await self._named(reference))

    def _demand_alone(self, act: Act, entry: Entry) -> None:
        """Holding stops one payment and moves no money, so anybody may who may act: at night he is alone.

        The same is true of a question that the machine would ask anyhow, only later.

        Raises:
            Trouble: it is more than one person may move alone.
        """
        most = self._desk.config.admin.second_person.act_alone_max
        moves_none = act is Act.HOLD or (act is Act.INQUIRE and entry.state is State.IN_DOUBT)
        if not moves_none and entry.amount > scale(entry.currency).read(most):
            raise Trouble(
                Code.UNDECIDABLE,
                f"one person may {act.word} at most {most} {entry.currency}: order it as a job, by a filter that it alone"
                " passes, and a second person confirms",
            )

    async def reveal_one(self, call: Call) -> RevealedShown:
        """What is sealed in one entry."""
        return await self._revealing.reveal(call, await self._named(call.parts[0]))

    async def close_one(self, call: Call) -> Any:
        """End one entry by hand, or propose it to a second person."""
        return await self._duties.close(call, await self._named(call.parts[0]))

    def _did(self, person: Person, act: str, count: int, **fields: Any) -> None:
        self._meter.acted(act, count)
        log.warning("admin_act", act=act, actor=person.name, role=person.role, entries=count, **fields)
