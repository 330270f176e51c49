"""The administration of organisation, roles, people and systems: for staff, every change under a new access epoch.

Nothing is deleted here: what is over ends. Permissions of groups come from roles alone, so groups cannot be edited.
"""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from access import audit
from access.actor import Actor, Scope
from access.admin_forms import AgreementForm, AssignmentForm, ProcessForm, RoleForm
from access.credentials import client_address
from access.epochs import raise_access_epoch
from access.models import (
    ApiClient,
    Assignment,
    CareProcess,
    CareProvider,
    CareUnit,
    ClientCertificate,
    ClientToken,
    Department,
    Role,
    SharingAgreement,
    TokenIssuer,
    User,
)
from access.roles import ensure_group, rewrite_groups

DOOR = "admin"


def read_actor(request: HttpRequest) -> Actor:
    """Return the member of staff for the access log."""
    user = request.user
    return Actor(
        "person",
        user.get_username(),
        Scope(),
        frozenset(),
        subject_id=user.pk,
        purpose="administration",
        address=client_address(request),
    )


def record_change(request: HttpRequest, obj: models.Model, form: "ModelForm[Any]") -> None:
    """Raise the epoch and say in the access log who changed which columns of what; in the transaction of the change."""
    raise_access_epoch()
    detail = {"id": obj.pk, "columns": sorted(form.changed_data)}
    audit.record(read_actor(request), f"{obj._meta.model_name}_edit"[:20], door=DOOR, detail=detail)


class AccessAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that decide about access: once made, `fixed` columns stay; nothing is deleted."""

    fixed: tuple[str, ...] = ()
    ordering = ("pk",)
    list_per_page = 50

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Fix what others rely on once the row is there."""
        always = tuple(super().get_readonly_fields(request, obj))
        return always + self.fixed if obj else always

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what belongs to the row; then the change is whole."""
        super().save_related(request, form, formsets, change)
        record_change(request, form.instance, form)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what is over ends."""
        return False


class PlaceAdmin(AccessAdmin):
    """What a provider, a unit and a department have in common."""

    list_filter: ClassVar[tuple[Any, ...]] = (("valid_to", admin.EmptyFieldListFilter),)
    search_fields: ClassVar[tuple[str, ...]] = ("name", "hsa_id")
    ordering = ("name",)


@admin.register(CareProvider)
class CareProviderAdmin(PlaceAdmin):
    """Care providers."""

    list_display = ("name", "hsa_id", "valid_from", "valid_to")
    autocomplete_fields = ("received_by",)
    fixed = ("hsa_id",)


@admin.register(CareUnit)
class CareUnitAdmin(PlaceAdmin):
    """Care units; a unit never moves to another provider."""

    list_display = ("name", "hsa_id", "provider", "valid_from", "valid_to")
    list_filter = ("provider", *PlaceAdmin.list_filter)
    list_select_related = ("provider",)
    autocomplete_fields = ("provider",)
    fixed = ("hsa_id", "provider")


@admin.register(Department)
class DepartmentAdmin(PlaceAdmin):
    """Departments; a department never moves to another unit."""

    list_display = ("name", "unit", "hsa_id", "valid_from", "valid_to")
    list_filter = ("unit__provider", "unit", *PlaceAdmin.list_filter)
    list_select_related = ("unit",)
    search_fields = ("name", "hsa_id", "unit__name")
    autocomplete_fields = ("unit",)
    fixed = ("hsa_id", "unit")


@admin.register(CareProcess)
class CareProcessAdmin(PlaceAdmin):
    """Care processes: units of one provider."""

    form = ProcessForm
    list_display = ("name", "provider", "hsa_id", "valid_from", "valid_to")
    list_filter = ("provider", *PlaceAdmin.list_filter)
    list_select_related = ("provider",)
    autocomplete_fields = ("provider", "units")
    fixed = ("hsa_id", "provider")


@admin.register(SharingAgreement)
class SharingAgreementAdmin(AccessAdmin):
    """Agreements between providers."""

    form = AgreementForm
    list_display = ("name", "kind", "commissioner", "valid_from", "valid_to")
    list_filter = ("kind", "parties", ("valid_to", admin.EmptyFieldListFilter))
    list_select_related = ("commissioner",)
    search_fields = ("name", "parties__name")
    autocomplete_fields = ("parties", "commissioner")
    fixed = ("kind",)


@admin.register(Role)
class RoleAdmin(AccessAdmin):
    """Roles and their permissions, which every department where the role is held follows."""

    form = RoleForm
    list_display = ("name", "code", "list_permissions")
    search_fields = ("name", "code")
    fixed = ("code",)

    @admin.display(description="permissions")
    def list_permissions(self, row: Role) -> str:
        """Name the permissions in one line."""
        return ", ".join(row.permissions)

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        """Save the role and what its groups may do."""
        super().save_model(request, obj, form, change)
        rewrite_groups(obj, obj.permissions)


@admin.register(Assignment)
class AssignmentAdmin(AccessAdmin):
    """Assignments: given for a role and a department; afterwards only their end can be set."""

    form = AssignmentForm
    list_display = ("user", "role", "department", "purpose", "valid_from", "valid_to")
    list_filter = ("role", "purpose", ("valid_to", admin.EmptyFieldListFilter), "department__unit")
    list_select_related = ("user", "department__unit")
    search_fields = (
        "user__username",
        "user__first_name",
        "user__last_name",
        "user__hsa_id",
        "department__name",
    )
    autocomplete_fields = ("user", "department")
    date_hierarchy = "valid_from"
    ordering = ("-valid_from",)
    fixed = ("user", "department", "role", "purpose", "valid_from")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Ask for a role at first, and show its name afterwards."""
        role = "role" if obj else "given_role"
        return ("user", "department", role, "purpose", "commission_hsa_id", "valid_from", "valid_to")

    def save_model(self, request: HttpRequest, obj: Assignment, form: Any, change: bool) -> None:
        """Give the assignment the group and the name of its role."""
        if not change:
            role = form.cleaned_data["given_role"]
            obj.group, obj.role = ensure_group(role, obj.department), role.name
        super().save_model(request, obj, form, change)


@admin.register(User)
class PersonAdmin(UserAdmin, AccessAdmin):  # type: ignore[type-arg]
    """People; what they may do is their assignments', so neither groups nor permissions are given here."""

    list_display = ("username", "last_name", "first_name", "hsa_id", "is_staff", "is_active", "last_login")
    list_filter = ("is_active", "is_staff", "is_protected")
    search_fields = ("username", "first_name", "last_name", "hsa_id")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "password_is_initial")
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        ("Health care", {"fields": ("hsa_id", "national_number", "is_protected", "language")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("History", {"fields": ("last_login", "date_joined", "password_is_initial")}),
    )


class TokenInline(admin.TabularInline):  # type: ignore[type-arg]
    """Tokens of a client: revoked here, made by `manage.py create_client`."""

    model = ClientToken
    extra = 0
    can_delete = False
    fields = ("scopes", "created_at", "expires_at", "revoked_at")
    readonly_fields = ("scopes", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the text of a token is shown once, where it is made."""
        return False


class CertificateInline(admin.TabularInline):  # type: ignore[type-arg]
    """Certificates by which a client is known."""

    model = ClientCertificate
    extra = 0
    can_delete = False


@admin.register(ApiClient)
class ApiClientAdmin(AccessAdmin):
    """Systems that call the API."""

    list_display = ("name", "department", "region_wide", "active")
    list_filter = ("active", "region_wide", "department__unit")
    list_select_related = ("department__unit",)
    search_fields = ("name", "department__name")
    autocomplete_fields = ("department",)
    inlines = (TokenInline, CertificateInline)


@admin.register(TokenIssuer)
class TokenIssuerAdmin(AccessAdmin):
    """Issuers of signed tokens."""

    list_display = ("name", "issuer", "active")
    list_filter = ("active",)
    search_fields = ("name", "issuer")


admin.site.unregister(Group)


@admin.register(Group)
class RoleGroupAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Groups as roles made them, to look at: who holds what where."""

    list_display = ("name", "list_permissions")
    search_fields = ("name",)
    fields = ("name", "list_permissions")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Group]":
        """Read the permissions with the groups."""
        rows: QuerySet[Group] = super().get_queryset(request)
        return rows.prefetch_related("departmentgrouppermission_set__permission")

    @admin.display(description="permissions in its department")
    def list_permissions(self, row: Any) -> str:
        """Name the permissions in one line."""
        found = row.departmentgrouppermission_set.all()
        return ", ".join(sorted(item.permission.codename for item in found))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: roles make groups."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: roles decide what a group may do."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: assignments point to groups."""
        return False
