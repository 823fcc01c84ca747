"""What stands against the house itself being well: its keys and its evidence."""

from collections.abc import Iterator

from gateway.custody.keeper import Keeper
from gateway.evidence.evidence import Evidence
from gateway.telling.condition import Condition
from gateway.telling.event import Kind, Severity


def own_conditions(keeper: Keeper, evidence: Evidence) -> Iterator[Condition]:
    """Each thing that is wrong, once."""
    if keeper.custody().trouble:
        yield Condition(kind=Kind.KEYS_TROUBLE, subject="", severity=Severity.WARNING)
    if not evidence.epoch.accepted:
        yield _evidence("gap", Severity.CRITICAL, "the spool lacks what was witnessed: nightsafe evidence accept")
    if evidence.audit_faults:
        yield _evidence(
            "audit", Severity.CRITICAL, f"the last audit found {evidence.audit_faults} faults: nightsafe verify"
        )
    for each in () if evidence.notary is None else evidence.notary.standings:
        if each.trouble:
            yield _evidence(each.name, Severity.WARNING, f"the witness {each.name} keeps no checkpoint")


def _evidence(subject: str, severity: Severity, trouble: str) -> Condition:
    return Condition(kind=Kind.EVIDENCE_TROUBLE, subject=subject, severity=severity, facts={"trouble": trouble})
