"""The generator of the CRDs: its files are up to date, and it refuses models that would leave a hole."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from codecourier.resources.crd import build_crd, build_files, main
from codecourier.resources.meta import (
    CustomResource,
    HasRole,
    Immutable,
    KindInfo,
    KindName,
    KindRole,
    ListMap,
    Model,
    PrinterColumn,
    Rule,
)
from codecourier.resources.registry import KINDS
from codecourier.resources.schema import SchemaError, structural_schema

FOLDER = Path(__file__).parents[2] / "crds"
Name = Annotated[str, Field(max_length=10)]


def test_the_files_are_up_to_date() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")} == build_files()


def test_check_tells_what_differs_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    runs = tmp_path / "runs.yaml"
    runs.write_text(runs.read_text(encoding="utf-8").replace("maximum: 1000\n", "maximum: 999\n"), encoding="utf-8")
    (tmp_path / "old.yaml").touch()
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "+                maximum: 1000" in told
    assert "old.yaml belongs to no kind" in told
    assert "make crds" in told
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    assert not (tmp_path / "old.yaml").exists()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.info.kind)
def test_every_kind_has_what_kubectl_shows(kind: type[CustomResource]) -> None:
    spec = build_crd(kind)["spec"]
    version = spec["versions"][0]
    assert spec["names"]["categories"] == ["codecourier"]
    # kubectl pads every column but the last, and a text of users is not to move the others.
    assert [c["name"] for c in version["additionalPrinterColumns"] if c["name"] != "Text"][-1] == "Age"
    assert ("subresources" in version) is ("status" in kind.model_fields)
    assert version["schema"]["openAPIV3Schema"]["properties"].get("status", {}).get("default") in (
        None,
        {"observedGeneration": -1},
    )


class Inner(Model):
    """A part whose name stays."""

    name: Annotated[Name, Immutable()]
    """A name."""


def kind_with(annotation: Any, default: Any = ..., docstring: str | None = "A field.") -> type[CustomResource]:
    """Make a kind whose spec has one field of this type."""
    field = Field(default, description=docstring) if default is not ... else Field(description=docstring)
    spec = type("OddSpec", (Model,), {"__doc__": "Odd.", "__annotations__": {"odd": annotation}, "odd": field})
    body = {
        "__doc__": "Odd.",
        "__annotations__": {"info": ClassVar[KindInfo], "spec": spec},
        "info": KindInfo("Odd", "odds", columns=(PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),)),
    }
    return type("Odd", (CustomResource,), body)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        pytest.param(kind_with(str), r"Odd\.spec\.odd: has no maxLength", id="text"),
        pytest.param(kind_with(int), r"Odd\.spec\.odd: has no minimum", id="number"),
        pytest.param(kind_with(Annotated[int, Field(ge=0)]), r"Odd\.spec\.odd: has no maximum", id="upper bound"),
        pytest.param(kind_with(tuple[Name, ...]), r"Odd\.spec\.odd: has no maxItems", id="list"),
        pytest.param(
            kind_with(Annotated[tuple[str, ...], Field(max_length=1)]),
            r"Odd\.spec\.odd\[\]: has no maxLength",
            id="item",
        ),
        pytest.param(kind_with(dict[str, Name]), r"Odd\.spec\.odd: has no maxProperties", id="map"),
        pytest.param(kind_with(float), r"Odd\.spec\.odd: type 'number' is not supported", id="float"),
        pytest.param(kind_with(Name | int), r"Odd\.spec\.odd: is a union", id="union"),
        pytest.param(kind_with(Name, docstring=None), r"Odd\.spec\.odd: has no docstring", id="docstring"),
        pytest.param(
            kind_with(Annotated[str, Field(max_length=9, pattern="a")]),
            r"Odd\.spec\.odd: .* must start with",
            id="anchor",
        ),
        pytest.param(
            kind_with(Annotated[str, Field(max_length=9, pattern=r"^\d$")]), r"Odd\.spec\.odd: \\d in", id="dialect"
        ),
        pytest.param(
            kind_with(Annotated[int, Field(gt=0, le=9)]),
            r"Odd\.spec\.odd: exclusiveMinimum is not supported",
            id="unknown keyword",
        ),
        pytest.param(kind_with(Inner | None, None), r"Odd\.spec\.odd\.name: cannot be immutable", id="immutable"),
        pytest.param(
            kind_with(Annotated[Name, Rule("self == oldSelf + 'x'", "must grow")] | None, None),
            r"Odd\.spec\.odd: has a transition rule",
            id="transition",
        ),
    ],
)
def test_a_model_that_leaves_a_hole_is_refused(kind: type[CustomResource], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        structural_schema(kind, KINDS)


def test_an_optional_immutable_field_cannot_come_and_go() -> None:
    spec = structural_schema(kind_with(Annotated[Name, Immutable()] | None, None), KINDS)["properties"]["spec"]
    message = "odd is immutable"
    assert spec["properties"]["odd"]["x-kubernetes-validations"] == [{"rule": "self == oldSelf", "message": message}]
    assert spec["x-kubernetes-validations"] == [
        {"rule": "has(self.odd) == has(oldSelf.odd)", "message": message, "fieldPath": ".odd"}
    ]
    assert "required" not in spec


def test_lists_say_how_they_are_merged() -> None:
    keyed = kind_with(Annotated[tuple[Inner, ...], Field(max_length=3), ListMap(("name",))], ())
    with pytest.raises(SchemaError, match="cannot be immutable"):
        structural_schema(keyed, KINDS)
    plain = kind_with(Annotated[tuple[Name, ...], Field(max_length=3)], ())
    odd = structural_schema(plain, KINDS)["properties"]["spec"]["properties"]["odd"]
    assert odd["x-kubernetes-list-type"] == "atomic"
    assert "default" not in odd


class NamingSpec(Model):
    """Names kinds."""

    origin: Annotated[KindName, HasRole(KindRole.MAKES_RUNS)]
    """A kind that makes Runs."""

    others: Annotated[tuple[Annotated[KindName, HasRole(KindRole.IS_REPORTED)], ...], Field(max_length=3)] = ()
    """Kinds that are reported."""


class Naming(CustomResource):
    """Names kinds."""

    info: ClassVar[KindInfo] = KindInfo(kind="Naming", plural="namings", is_reported=True)
    spec: NamingSpec


def test_a_kind_of_a_role_is_listed_where_a_kind_of_that_role_is_named() -> None:
    with_own: tuple[type[CustomResource], ...] = (Naming, *KINDS)
    properties = structural_schema(Naming, with_own)["properties"]["spec"]["properties"]
    assert properties["origin"] == {
        "type": "string",
        "description": "A kind that makes Runs.",
        "enum": ["Run", "SprintChain", "RecurringTask", "IssueSession", "MergeJob"],
    }
    assert properties["others"]["items"]["enum"] == [
        "Naming",
        "Project",
        "Run",
        "SprintChain",
        "RecurringTask",
        "MergeJob",
    ]
    assert build_crd(Naming, with_own) != build_crd(Naming, KINDS)
    with pytest.raises(SchemaError, match="no kind has the role 'makes_runs'"):
        structural_schema(Naming, (Naming,))


def test_a_model_takes_the_name_of_a_kind_that_only_a_newer_version_knows() -> None:
    assert NamingSpec.model_validate({"origin": "Newer"}).origin == "Newer"
    with pytest.raises(ValueError, match="pattern"):
        NamingSpec.model_validate({"origin": "no kind"})
