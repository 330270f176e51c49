"""What planning a study costs with a thousand subscriptions: loads them, lets studies fall quiet, plans them.

    python bench/planning.py --home /tmp/planning                       # SQLite
    python scripts/with_postgres.py -- python bench/planning.py         # PostgreSQL, as the tests do

Prints the CPU of this process and the time a study, read in parts of fifty and one by one, and what finding the
subscriptions takes with and without their index.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

FAMILIES = ("CT", "MR", "XR", "US", "NM", "PT", "MG", "FL")
MODALITY_OF = {"XR": "DX", "FL": "XA"}
WORDS = {"CT": "DT", "MR": "MR", "XR": "Röntgen", "US": "Ultraljud"}
PARTS = ("hjärna", "thorax", "buk", "knä", "hand", "rygg")
REGIONS = ("774007", "67734004", "63337009", "61685007", "53120007", "1141981001")


def main() -> None:
    """Load and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", default="/tmp/samsyn-planning")
    parser.add_argument("--subscriptions", type=int, default=1000)
    parser.add_argument("--departments", type=int, default=150)
    parser.add_argument("--studies", type=int, default=200)
    asked = parser.parse_args()
    os.environ["SAMSYN_HOME"] = asked.home
    on_postgres = bool(os.environ.get("SAMSYN_TEST_POSTGRES"))
    os.environ.setdefault(
        "DJANGO_SETTINGS_MODULE", "deploy.settings.test" if on_postgres else "deploy.settings.embedded"
    )
    Path(asked.home).mkdir(parents=True, exist_ok=True)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    random.seed(7)
    departments = load_departments(asked.departments)
    load_subscriptions(departments, asked.subscriptions)
    measure(departments, asked.studies)


def load_departments(number: int) -> list[Any]:
    """Load departments of one provider, four in each unit."""
    from access.models import CareProvider, CareUnit, Department

    stamp = f"{time.time_ns()}"
    provider = CareProvider.objects.create(hsa_id=f"SE-P{stamp}", name="Region")
    units = [
        CareUnit.objects.create(provider=provider, hsa_id=f"SE-U{stamp}-{n}", name=f"Unit {n}")
        for n in range(max(1, number // 4))
    ]
    return [
        Department.objects.create(
            unit=units[n % len(units)], hsa_id=f"SE-D{stamp}-{n}", name=f"Department {n}"
        )
        for n in range(number)
    ]


def load_subscriptions(departments: list[Any], number: int) -> None:
    """Load subscriptions as departments have them: a kind of imaging and a part of the body, some from one hospital."""
    from registry.models import Destination, Subscription

    Subscription.objects.all().delete()
    destinations = {
        row.pk: Destination.objects.create(
            department=row, name="PACS", url="https://pacs.example.org/studies"
        )
        for row in departments
    }
    for n in range(number):
        owner = departments[n % len(departments)]
        Subscription.objects.create(
            department=owner, destination=destinations[owner.pk], filter=make_filter(departments)
        )


def make_filter(departments: list[Any]) -> dict[str, Any]:
    """Make a filter: most name a source or an ordering department beside the kind of imaging."""
    kind = {"modality_family": random.sample(FAMILIES, random.choice((1, 1, 2)))}
    part = {"body_region": random.sample(REGIONS, random.choice((1, 1, 2)))}
    place = {random.choice(("source", "ordering_unit")): [random.choice(departments).hsa_id]}
    tests: list[dict[str, Any]] = [kind]
    tests += [part] if random.random() < 0.8 else []
    tests += [place] if random.random() < 0.7 else []
    tests += [{"emergency": True}] if random.random() < 0.2 else []
    return {"all": tests}


def measure(departments: list[Any], number: int) -> None:
    """Let studies fall quiet and plan them, in parts and one by one."""
    from registry.models import Study, Subscription
    from registry.wishes.facts import read_facts
    from registry.wishes.index import is_wanted, read_index
    from repository.delivery.planning.plan import plan_deliveries
    from repository.models import Delivery

    plan_deliveries()  # what lies there from before
    before = Delivery.objects.count()
    in_parts = [make_quiet(random.choice(departments)) for _ in range(number)]
    report("planned in parts of fifty, each study", plan_deliveries, of=number)
    single = number // 4
    times = [
        time_of(plan_deliveries, before=lambda: make_quiet(random.choice(departments))) for _ in range(single)
    ]
    report_times("planned one by one", times)
    planned = Delivery.objects.count() - before
    print(
        f"{Subscription.objects.count()} subscriptions; {planned / (number + single):.1f} deliveries a study"
    )
    index = report("all subscriptions read", read_index)
    rules = {id(rule): rule for rules in (*index.by_key.values(), index.unkeyed) for rule in rules}.values()
    studies = list(
        Study.objects.filter(pk__in=in_parts).select_related("custodian__unit__provider", "person")
    )
    facts = [read_facts(study) for study in studies]
    report("facts of a study read", lambda: [read_facts(study) for study in studies], of=number)
    report("subscriptions found by the index", lambda: [index.find(each) for each in facts], of=number)
    report(
        "subscriptions found by asking all",
        lambda: [[rule for rule in rules if is_wanted(rule, each)] for each in facts],
        of=number,
    )
    asked = statistics.mean(len(index.find_candidates(each)) for each in facts)
    print(f"{asked:.0f} of {len(rules)} subscriptions are asked, mean of {number} studies")


def make_quiet(department: Any) -> int:
    """Make a study of one instance that has just fallen quiet; returns its key."""
    from django.utils import timezone

    from registry import changes
    from registry.models import Home, Instance, Patient, Segment, Series, Study

    now = timezone.now()
    family = random.choice(FAMILIES)
    modality = MODALITY_OF.get(family, family)
    uid = f"2.25.{time.time_ns()}{random.randrange(10**6)}"
    study = Study.objects.create(
        study_instance_uid=uid, person=Patient.objects.create(), custodian=department, state="complete",
        study_date=f"{now:%Y%m%d}", modalities_in_study=[modality], quiet_generation=1,
        study_description=f"{WORDS.get(family, family)} {random.choice(PARTS)}",
        number_of_study_related_series=1, number_of_study_related_instances=1,
        first_instance_at=now, last_instance_at=now, visible_at=now,
    )  # fmt: skip
    series = Series.objects.create(
        study=study, series_instance_uid=f"{uid}.1", modality=modality, number_of_series_related_instances=1
    )
    segment = Segment.objects.create(series=series, pack_key=uid, metadata=b"", metadata_instances=1)
    Instance.objects.create(
        series=series, segment=segment, sop_instance_uid=f"{uid}.1.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        offset=0, length=1, metadata_offset=0, metadata_length=0, transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=b"",
    )  # fmt: skip
    Home.objects.create(study=study, department=department, unit=department.unit, modality=modality)
    changes.append("study_quiet", uid, {"generation": 1})
    return study.pk


def report(name: str, act: Callable[[], Any], of: int = 1) -> Any:
    """Print what something takes, divided by `of`, and return what it gives."""
    cpu, started = time.process_time(), time.perf_counter()
    result = act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - started
    print(f"{name}: CPU {1000 * cpu / of:.2f} ms, time {1000 * wall / of:.2f} ms")
    return result


def time_of(act: Callable[[], Any], before: Callable[[], Any]) -> tuple[float, float]:
    """Return CPU and time of something in seconds, after what has to come before it."""
    before()
    cpu, started = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - cpu, time.perf_counter() - started


def report_times(name: str, times: list[tuple[float, float]]) -> None:
    """Print medians."""
    cpu, wall = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name}, each study: CPU {cpu:.2f} ms, time {wall:.2f} ms (median)")


if __name__ == "__main__":
    main()
