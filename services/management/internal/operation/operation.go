// Package operation describes what a route of the management API takes and answers. The OpenAPI document is made from
// these descriptions, the route table and the comments of the messages.
package operation

import "google.golang.org/protobuf/proto"

// Operation describes one route. The zero value of a member means that there is none of it.
type Operation struct {
	// ID is the operationId where the one that follows from the path would be misleading; empty otherwise.
	ID string
	// Summary is one sentence in the imperative: Create an application.
	Summary string
	// Details are further sentences: limits, refusals, what else happens.
	Details string
	// Query are the parameters in the query.
	Query []Parameter

	// Body is the message that the body is read as, in the management dialect.
	Body proto.Message
	// BodyOptional says that the body may be missing.
	BodyOptional bool
	// BodyList says that the body is an array of such messages.
	BodyList bool
	// BodyType is the media type of the body where it is not application/json.
	BodyType string
	// Stream says that the body is read as it comes and may be of any length.
	Stream bool
	// Merge says that the body may leave out any member (RFC 7396).
	Merge bool
	// Conditional says that If-Match is obeyed (RFC 9110 §13.1.1).
	Conditional bool
	// Versioned says that the answer carries a version of the whole in ETag, though it is no resource.
	Versioned bool

	// Status is the status of success; 0 means 200, or 204 where there is no Answer.
	Status int
	// Answer is the message that is answered, in the management dialect, and Shape how many of it.
	Answer proto.Message
	Shape  Shape
	// DryRun says that the request can be tried out with the parameter dryRun, which is described for it: every check runs
	// and nothing is written. What would be answered with 201 is answered with 200 then.
	DryRun bool
	// AnswerType is the media type of the answer where it is not application/json, or several, separated by ", ".
	AnswerType string
}

// NDJSON is the media type of messages in JSON, one on each line.
const NDJSON = "application/x-ndjson"

// Shape is how many messages an answer holds.
type Shape uint8

// The shapes of answers.
const (
	One   Shape = iota // the message
	Array              // an array of messages
	Page               // {data, currentPage, totalCount}
)

// Parameter is a parameter in the query.
type Parameter struct {
	Name        string
	Description string
	// Type is string, integer or boolean.
	Type     string
	Repeated bool
	Required bool
	// Values are all there are, in the spelling of answers; empty means any.
	Values []string
}

// Paging are the parameters of every paged list that can be searched.
func Paging(more ...Parameter) []Parameter {
	return append([]Parameter{
		{Name: "page", Type: "integer", Description: "The page, from 0."},
		{Name: "size", Type: "integer", Description: "Entries on a page; default 50."},
		{Name: "q", Type: "string", Description: "What to search for, in any case; `*` stands for any text."},
	}, more...)
}

// StatusOf returns the status of success.
func (o Operation) StatusOf() int {
	switch {
	case o.Status != 0:
		return o.Status
	case o.Answer == nil && o.AnswerType == "":
		return 204
	}
	return 200
}
