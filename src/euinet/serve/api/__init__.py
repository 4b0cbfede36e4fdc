"""What the server's paths take and give: schemas, the OpenAPI document, the inbox's paths."""
