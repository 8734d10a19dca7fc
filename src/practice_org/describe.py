"""What the org tells about its objects and fields, as far as our user may see them (salesforce.md 2.2)."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org.access import Access
from practice_org.catalog import Level
from practice_org.errors import not_found
from practice_org.http import Call, answer, route
from practice_org.names import SOURCES, STATUSES
from practice_org.org import Org
from practice_org.schema import ID_LOOKUPS, PEOPLE, Field
from practice_org.set_up_schema import ALL_PREFIXES, CHANGEABLE

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "datetime": "xsd:dateTime",
    "date": "xsd:date",
}
MASTER_RECORD_TYPE = "012000000000000AAA"
PICKLISTS = {"LeadSource": SOURCES, "Salutation": ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof."), "Status": STATUSES}
"""Not restricted: any text can be written."""
_SAME_FOR_EVERY_FIELD: dict[str, object] = {
    "aiPredictionField": False,
    "autoNumber": False,
    "calculated": False,
    "calculatedFormula": None,
    "cascadeDelete": False,
    "caseSensitive": False,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "digits": 0,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "externalId": False,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "namePointing": False,
    "polymorphicForeignKey": False,
    "precision": 0,
    "queryByDistance": False,
    "referenceTargetField": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "restrictedPicklist": False,
    "scale": 0,
    "unique": False,
    "writeRequiresMasterRead": False,
}
_UNGROUPABLE = frozenset({"datetime", "textarea"})
_UNAGGREGATED = frozenset({"boolean", "textarea"})


def routes(org: Org) -> list[Route]:
    """The list of objects, and one object in full."""
    path = "/services/data/v{version}/sobjects"
    return [
        route(org, path, GET=("describe.global", describe_global)),
        route(org, path + "/{object}/describe", GET=("describe", describe)),
    ]


async def describe_global(call: Call) -> Response:
    """The objects of this org without their fields."""
    version, rights = call.version, call.org.access.objects
    objects = [summary(name, right, version) for name, right in rights.items() if right != "absent"]
    return answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})


def summary(name: str, right: Level, version: str) -> dict[str, object]:
    """An object without its fields."""
    return _object(name, right) | {"urls": _urls(name, version)}


def asked_object(call: Call) -> str:
    """The object of the path in Salesforce's spelling. Raises RefusalError NOT_FOUND for what our user may not see."""
    names = {name.lower(): name for name in call.org.access.objects}
    object_name = names.get(call.params["object"].lower())
    if object_name is None or call.org.access.objects[object_name] == "absent":
        raise not_found()
    return object_name


async def describe(call: Call) -> Response:
    """One object with the fields our user may see; a hidden field is simply not there (salesforce.md 0.1)."""
    object_name, access = asked_object(call), call.org.access
    fields = [
        describe_field(known, editable=access.level(object_name, known.name) == "edit")
        for known in access.visible(object_name)
    ]
    more = {
        "actionOverrides": [],
        "childRelationships": _children(access, object_name),
        "compactLayoutable": True,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [_master_type(object_name, call.version)],
        "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {object_name.lower()}s", "name": "everything"}],
    }
    return answer(summary(object_name, access.objects[object_name], call.version) | more | {"fields": fields})


def _children(access: Access, object_name: str) -> list[dict[str, object]]:
    """The lookups of other objects that lead here."""
    return [
        {
            "cascadeDelete": False,
            "childSObject": child,
            "deprecatedAndHidden": False,
            "field": known.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": None,
            "restrictedDelete": False,
        }
        for child, right in access.objects.items()
        if right != "absent"
        for known in access.visible(child)
        if object_name in known.reference_to
    ]


def _master_type(object_name: str, version: str) -> dict[str, object]:
    """The record type that every object has, where an org made none of its own."""
    layout = f"/services/data/v{version}/sobjects/{object_name}/describe/layouts/{MASTER_RECORD_TYPE}"
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": MASTER_RECORD_TYPE,
        "urls": {"layout": layout},
    }


def _object(name: str, right: Level) -> dict[str, object]:
    person, writable = name in PEOPLE, name in (*PEOPLE, *CHANGEABLE) and right == "edit"
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": writable,
        "custom": False,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": writable,
        "deprecatedAndHidden": False,
        "feedEnabled": person,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": ALL_PREFIXES[name],
        "label": name,
        "labelPlural": name + "s",
        "layoutable": person,
        "mergeable": person and writable,
        "mruEnabled": person,
        "name": name,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": person,
        "undeletable": person and writable,
        "updateable": writable,
    }


def _urls(name: str, version: str) -> dict[str, str]:
    """The addresses that describe names; those of layouts and views are named only, not served."""
    base = f"/services/data/v{version}/sobjects/{name}"
    urls = {"describe": base + "/describe", "rowTemplate": base + "/{ID}", "sobject": base}
    if name not in PEOPLE:
        return urls
    return urls | {
        "approvalLayouts": base + "/describe/approvalLayouts",
        "compactLayouts": base + "/describe/compactLayouts",
        "defaultValues": base + "/defaultValues?recordTypeId&fields",
        "layouts": base + "/describe/layouts",
        "listviews": base + "/listviews",
        "quickActions": base + "/quickActions",
    }


def _picklist(name: str) -> list[dict[str, object]]:
    return [
        {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
        for value in PICKLISTS.get(name, ())
    ]


def describe_field(known: Field, *, editable: bool) -> dict[str, object]:
    """All 57 keys of one field, sorted. Read-only access shows as `updateable` false (salesforce.md 2.2)."""
    checkbox = known.type == "boolean"
    own = {
        "aggregatable": known.type not in _UNAGGREGATED,
        "byteLength": known.length if known.type in ("id", "reference") else known.length * 3,
        "compoundFieldName": "Name" if known.name in ("FirstName", "LastName", "Salutation") else None,
        "createable": known.createable and editable,
        "custom": known.custom,
        "defaultValue": False if checkbox else None,
        "defaultedOnCreate": checkbox or not known.createable,
        "extraTypeInfo": "personname" if known.name == "Name" else None,
        "filterable": known.type != "textarea",
        "groupable": known.type not in _UNGROUPABLE,
        "idLookup": known.name in ID_LOOKUPS,
        "label": known.label,
        "length": known.length,
        "name": known.name,
        "nameField": known.name == "Name",
        "nillable": known.nillable,
        "permissionable": known.permissionable,
        "picklistValues": _picklist(known.name) if known.type == "picklist" else [],
        "referenceTo": list(known.reference_to),
        "relationshipName": known.name.removesuffix("Id") if known.reference_to else None,
        "searchPrefilterable": known.type == "reference",
        "soapType": _SOAP_TYPES.get(known.type, "xsd:string"),
        "sortable": known.type != "textarea",
        "type": known.type,
        "updateable": known.updateable and editable,
    }
    return dict(sorted((_SAME_FOR_EVERY_FIELD | own).items()))
