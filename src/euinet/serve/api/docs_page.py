"""The API as a readable page, made from the OpenAPI document: no script, no request to anywhere."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

_TEMPLATES = Path(__file__).parent / "templates"
STYLE = (_TEMPLATES / "docs.css").read_bytes()


def docs_page(openapi: dict[str, Any]) -> bytes:
    """Return the page as HTML."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)
    environment.filters["kind"] = kind
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    page = environment.get_template("docs.html").render(
        info=openapi["info"], operations=operations, schemas=openapi["components"]["schemas"]
    )
    return page.encode()


def kind(schema: dict[str, Any]) -> str:
    """Return a JSON schema in a few words: "list of number", "string or null", a schema's name."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(map(kind, schema[choice])))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if schema.get("format") == "binary":
        return "file"
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", [schema.get("const")])))
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        return f"object of {kind(values)}"
    return str(schema.get("type", "anything"))
