"""What a study and its series say of themselves, told again from the instances that are there."""

from django.db.models import Count

from access.rows import update
from registry.fragments import render_series, render_study
from registry.models import Home, Instance, Series, Study
from registry.register import count_study, write_homes
from registry.shares import write_shared_homes


def recount(study: Study) -> None:
    """Bring counts, modalities, SOP classes, rendered answers and homes in line with the instances of a locked study.

    A series or study with nothing left keeps its row, counts zero and is at home nowhere.
    """
    rows = Instance.objects.filter(series__study=study).order_by()
    there = dict(rows.values_list("series").annotate(count=Count("pk")))
    series_rows = list(Series.objects.filter(study=study))
    for series in series_rows:
        _recount_series(series, study, there.get(series.pk, 0))
    count_study(
        study, [(s.modality, s.number_of_series_related_instances) for s in series_rows if s.pk in there]
    )
    study.sop_classes_in_study = sorted(rows.values_list("sop_class_uid", flat=True).distinct())
    study.fragment = render_study(study)
    update(study, _RECOUNTED)
    _correct_homes(study)


_RECOUNTED = (
    "modalities_in_study",
    "number_of_study_related_series",
    "number_of_study_related_instances",
    "sop_classes_in_study",
    "fragment",
)


def _recount_series(series: Series, study: Study, count: int) -> None:
    if series.number_of_series_related_instances == count:
        return
    series.number_of_series_related_instances = count
    series.fragment = render_series(series, study.study_instance_uid)
    update(series, ("number_of_series_related_instances", "fragment"))


def _correct_homes(study: Study) -> None:
    homes = Home.objects.filter(study=study)
    if not study.number_of_study_related_instances:
        homes.delete()
        return
    homes.exclude(modality__in=study.modalities_in_study or [""]).delete()
    write_homes(study)
    write_shared_homes(study)
