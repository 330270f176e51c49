"""The DICOMweb routes, relative to `/dicom-web/`.

Standard: PS3.18 10.4.1.1, 10.5.1.1, 10.6.1.1
"""

from functools import partial

from django.urls import URLPattern, path

from repository.dicomweb import (
    bulk_data,
    capabilities,
    commitment,
    delete,
    frames,
    metadata,
    qido,
    rendered,
    stow,
    thumbnail,
    wado,
)
from repository.dicomweb.status import answer_unknown_path, dicomweb_view
from repository.stored_bulk import PIXEL_PATHS

STUDY = "studies/<str:study>"
SERIES = f"{STUDY}/series/<str:series>"
INSTANCE = f"{SERIES}/instances/<str:instance>"

base = dicomweb_view(GET=capabilities.retrieve_capabilities)
retrieve_pixel_data = partial(bulk_data.retrieve_bulk_data, paths=PIXEL_PATHS)

urlpatterns: list[URLPattern] = [
    path("", base),
    path("studies", dicomweb_view(GET=partial(qido.search, level="study"), POST=stow.store_instances)),
    path("series", dicomweb_view(GET=partial(qido.search, level="series"))),
    path("instances", dicomweb_view(GET=partial(qido.search, level="instance"))),
    path("studies/count", dicomweb_view(GET=partial(qido.count, level="study"))),
    path("series/count", dicomweb_view(GET=partial(qido.count, level="series"))),
    path("instances/count", dicomweb_view(GET=partial(qido.count, level="instance"))),
    path(f"{STUDY}/series/count", dicomweb_view(GET=partial(qido.count, level="series"))),
    path(f"{STUDY}/instances/count", dicomweb_view(GET=partial(qido.count, level="instance"))),
    path(f"{SERIES}/instances/count", dicomweb_view(GET=partial(qido.count, level="instance"))),
    path(
        STUDY,
        dicomweb_view(GET=wado.retrieve_instances, POST=stow.store_instances, DELETE=delete.delete_instances),
    ),
    path(f"{STUDY}/metadata", dicomweb_view(GET=metadata.retrieve_metadata)),
    path(f"{STUDY}/bulkdata", dicomweb_view(GET=bulk_data.retrieve_bulk_data)),
    path(f"{STUDY}/pixeldata", dicomweb_view(GET=retrieve_pixel_data)),
    path(f"{STUDY}/series", dicomweb_view(GET=partial(qido.search, level="series"))),
    path(f"{STUDY}/instances", dicomweb_view(GET=partial(qido.search, level="instance"))),
    path(SERIES, dicomweb_view(GET=wado.retrieve_instances, DELETE=delete.delete_instances)),
    path(f"{SERIES}/metadata", dicomweb_view(GET=metadata.retrieve_metadata)),
    path(f"{SERIES}/bulkdata", dicomweb_view(GET=bulk_data.retrieve_bulk_data)),
    path(f"{SERIES}/pixeldata", dicomweb_view(GET=retrieve_pixel_data)),
    path(f"{SERIES}/instances", dicomweb_view(GET=partial(qido.search, level="instance"))),
    path(INSTANCE, dicomweb_view(GET=wado.retrieve_instances, DELETE=delete.delete_instances)),
    path(f"{INSTANCE}/metadata", dicomweb_view(GET=metadata.retrieve_metadata)),
    path(f"{INSTANCE}/bulkdata", dicomweb_view(GET=bulk_data.retrieve_bulk_data)),
    path(f"{INSTANCE}/pixeldata", dicomweb_view(GET=retrieve_pixel_data)),
    path(f"{INSTANCE}/frames/<str:frames>", dicomweb_view(GET=frames.retrieve_frames)),
    path(f"{INSTANCE}/bulkdata/<path:path>", dicomweb_view(GET=bulk_data.retrieve_bulk_value)),
    *(
        path(f"{level}/reject/<str:code>", dicomweb_view(POST=delete.reject_instances))
        for level in (STUDY, SERIES, INSTANCE)
    ),
    path(
        "commitment-requests/<str:transaction>",
        dicomweb_view(POST=commitment.commit_instances, GET=commitment.check_result),
    ),
    *(
        path(f"{level}/rendered", dicomweb_view(GET=rendered.retrieve_rendered))
        for level in (STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/<str:frames>")
    ),
    *(
        path(f"{level}/thumbnail", dicomweb_view(GET=thumbnail.retrieve_thumbnail))
        for level in (STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/<str:frames>")
    ),
    path("<path:path>", answer_unknown_path),
]
