package openapi

// Compatible returns the same document as OpenAPI 3.0.3.
func (d *Document) Compatible() *Document { return d }
