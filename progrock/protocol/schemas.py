"""From models to the JSON Schemas of the published documents. Pure."""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, models_json_schema
from pydantic_core import CoreSchema

REFERENCE = "#/components/schemas/{model}"  # the same place in OpenAPI and AsyncAPI
Schema = dict[str, Any]


class Also:
    """Annotates a type with what its schema says beside what pydantic finds out itself."""

    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(core_schema) | self._keys


def drop_default(schema: Schema) -> None:
    """Take the default out of a field's schema: where the key lacks, nothing is meant by it."""
    schema.pop("default", None)


def schemas_of(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """Return the schemas of models, and of all that they refer to, by name."""
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    return {name: tidied(schema) for name, schema in sorted(made["$defs"].items())}


def reference_to(model: type[BaseModel]) -> Schema:
    """Return a reference to a model's schema."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def constant_of(model: type[BaseModel], field: str) -> str:
    """Return the one value that a field may have, such as the `type` of a frame."""
    (value,) = get_args(model.model_fields[field].annotation)
    return str(value)


def tidied(schema: Any) -> Any:
    """Return a schema without the titles that only say a field's name once more."""
    if isinstance(schema, list):
        return [tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: tidied(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
