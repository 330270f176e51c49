"""The form for what is decided about two identities."""

from django import forms
from django.utils.translation import gettext_lazy


class MergeReasonForm(forms.Form):
    """Why two are one, or are not."""

    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        help_text=gettext_lazy("It is kept with the decision. At most 400 characters."),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
