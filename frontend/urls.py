"""Routes of the portal, included at the root."""

from django.urls import include, path, register_converter

from frontend.views import decisions, emergency, extract, lifts, log, relation, review, send, worklist
from frontend.views.choose_assignment import choose_assignment
from frontend.views.distribution import explain_distribution, show_distribution
from frontend.views.document import fetch_document
from frontend.views.patient import show_patient
from frontend.views.preferences import set_theme
from frontend.views.reports import acknowledge_correction, fetch_report_file
from frontend.views.search import show_search, show_start
from frontend.views.series import show_series
from frontend.views.study import show_study


class UidConverter:
    """A UID in an address; anything else is no address of ours and reaches no database.

    Standard: PS3.5 9
    """

    regex = r"[0-9.]{1,64}"

    def to_python(self, value: str) -> str:
        """Take the UID as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Write the UID as it is."""
        return value


class KeyConverter:
    """The key of a row; short enough for the integers of every database."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Read the key."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Write the key."""
        return str(value)


register_converter(UidConverter, "uid")
register_converter(KeyConverter, "key")

urlpatterns = [
    path("", show_start, name="start"),
    path("search/", show_search, name="search"),
    path("assignment/", choose_assignment, name="choose_assignment"),
    path("preferences/theme/", set_theme, name="set_theme"),
    path("administration/", include("frontend.administration_urls")),
    path("patients/<key:pk>/", show_patient, name="patient"),
    path("patients/<key:pk>/relation/", relation.state_relation, name="state_relation"),
    path("patients/<key:pk>/reason/", relation.state_reason, name="state_reason"),
    path("patients/<key:pk>/choice/", relation.choose, name="choose_unit"),
    path("patients/<key:pk>/emergency/", emergency.take_first_step, name="emergency"),
    path("emergency/", emergency.take_first_step_by_number, name="emergency_by_number"),
    path("emergency/<key:opening_id>/", emergency.take_second_step, name="emergency_open"),
    path("emergency/<key:opening_id>/close/", emergency.close, name="emergency_close"),
    path("decisions/", decisions.find_keeping, name="find_keeping"),
    path("patients/<key:pk>/decisions/", decisions.show_decisions, name="decisions"),
    path("patients/<key:pk>/consents/new/", decisions.add_consent, name="add_consent"),
    path("patients/<key:pk>/consents/<key:consent_id>/withdraw/", decisions.end_consent, name="end_consent"),
    path("patients/<key:pk>/blocks/new/", decisions.add_block, name="add_block"),
    path("patients/<key:pk>/blocks/<key:block_id>/cancel/", decisions.end_block, name="end_block"),
    path("patients/<key:pk>/blocks/<key:block_id>/lift/", lifts.add_lift, name="add_lift"),
    path("patients/<key:pk>/lifts/<key:lift_id>/end/", lifts.end_lift, name="end_lift"),
    path("log/", log.show_own_log, name="log"),
    path("log/patient/", log.find_log, name="find_log"),
    path("patients/<key:pk>/log/", log.show_patient_log, name="patient_log"),
    path("patients/<key:pk>/log/extract/", extract.show_extract, name="extract"),
    path("patients/<key:pk>/log/extract.<str:kind>", extract.fetch_extract, name="extract_file"),
    path("review/", review.show_queues, name="review"),
    path("review/openings/<key:opening_id>/", review.show_opening, name="review_opening"),
    path("review/samples/<key:review_id>/", review.show_sample, name="review_sample"),
    path("review/samples/<key:review_id>/<key:item_id>/", review.judge_item, name="judge_item"),
    path("review/outside/", review.show_outside, name="review_outside"),
    path("notices/<key:notice_id>/seen/", review.see_notice, name="see_notice"),
    path("corrections/<key:reading_id>/seen/", acknowledge_correction, name="acknowledge_correction"),
    path("distribution/", include("frontend.distribution_urls")),
    path("worklist/", worklist.show_worklist, name="worklist"),
    path("worklist/part/", worklist.refresh_worklist, name="refresh_worklist"),
    path("worklist/<key:pk>/images/", worklist.open_images, name="worklist_images"),
    path("worklist/<key:pk>/done/", worklist.finish_item, name="worklist_done"),
    path("sendings/", send.list_sendings, name="sendings"),
    path("sendings/<key:pk>/", send.show_sending, name="sending"),
    path("sendings/<key:pk>/part/", send.refresh_sending, name="refresh_sending"),
    path("sendings/<key:pk>/take-back/", send.take_back, name="take_back"),
    path("patients/<key:pk>/send/", send.send_all, name="send_patient"),
    path("studies/<uid:study_instance_uid>/send/", send.send_one, name="send_study"),
    path("studies/<uid:study_instance_uid>/", show_study, name="study"),
    path(
        "studies/<uid:study_instance_uid>/reports/<key:version_id>/file",
        fetch_report_file,
        name="report_file",
    ),
    path("studies/<uid:study_instance_uid>/why/", explain_distribution, name="why_sent"),
    path("studies/<uid:study_instance_uid>/distribution/", show_distribution, name="distribution"),
    path(
        "studies/<uid:study_instance_uid>/series/<uid:series_instance_uid>/",
        show_series,
        name="series",
    ),
    path(
        "studies/<uid:study_instance_uid>/series/<uid:series_instance_uid>/documents/<uid:sop_instance_uid>/",
        fetch_document,
        name="document",
    ),
]
