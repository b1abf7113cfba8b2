// Package schema describes messages as JSON Schema (draft 2020-12), in the spelling of prototree.Management: what a REST
// body may hold and what an answer holds.
//
// One schema serves both directions. Members that only the server sets are `readOnly`. A secret is `format: password`
// and not `writeOnly`, because answers do carry the member, with a mask in the place of its value. A variant is a member
// that names it and `configuration`, which is an object or the JSON text of one; answers have the text. What is accepted
// and kept but does not run yet carries `x-gatehouse-waiting`.
package schema
