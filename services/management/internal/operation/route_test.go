package operation_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

func TestADescriptionIsComplete(t *testing.T) {
	message := &emptypb.Empty{}
	tests := []struct {
		name  string
		route operation.Route
		want  string // in the error; "" for none
	}{
		{"a read", operation.Route{Method: "GET", Permission: "a:read", Operation: operation.Operation{Summary: "Read.", Answer: message}}, ""},
		{"a deletion", operation.Route{Method: "DELETE", Permission: "*", Operation: operation.Operation{Summary: "Delete.", Conditional: true}}, ""},
		{"an action without body", operation.Route{Method: "POST", Permission: "-", Operation: operation.Operation{Summary: "Lock."}}, ""},
		{"a page", operation.Route{Method: "GET", Permission: "a:list", Operation: operation.Operation{
			Summary: "List.", Answer: message, Shape: operation.Page, Query: operation.Paging(),
		}}, ""},
		{"no summary", operation.Route{Method: "DELETE", Permission: "a:b"}, "has no summary that is a sentence"},
		{"no permission", operation.Route{Method: "DELETE", Operation: operation.Operation{Summary: "X."}}, "names no permission"},
		{"half a permission", operation.Route{Method: "DELETE", Permission: "a:", Operation: operation.Operation{Summary: "X."}}, "names no permission"},
		{"a change without body", operation.Route{Method: "PATCH", Permission: "a:b", Operation: operation.Operation{Summary: "X."}}, "has no body"},
		{"a read with body", operation.Route{Method: "GET", Permission: "a:b", Operation: operation.Operation{Summary: "X.", Body: message, Answer: message}}, "has a body"},
		{"a merge of nothing", operation.Route{Method: "PUT", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", BodyType: "text/plain", Merge: true,
		}}, "says how its body is read and has none"},
		{"a creation that answers nothing", operation.Route{Method: "POST", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", Body: message, Status: 201,
		}}, "has a status that does not fit its answer"},
		{"several of nothing", operation.Route{Method: "GET", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", AnswerType: "text/html", Shape: operation.Array,
		}}, "answers several of nothing"},
		{"a parameter without words", operation.Route{Method: "DELETE", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", Query: []operation.Parameter{{Name: "q", Type: "string"}},
		}}, "without name or description: q"},
		{"a parameter without type", operation.Route{Method: "DELETE", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", Query: []operation.Parameter{{Name: "q", Description: "What."}},
		}}, "without type: q"},
		{"a parameter twice", operation.Route{Method: "DELETE", Permission: "a:b", Operation: operation.Operation{
			Summary: "X.", Query: operation.Paging(operation.Parameter{Name: "q", Type: "string", Description: "What."}),
		}}, "names a parameter twice: q"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.route.Pattern = "/a"
			err := tt.route.Check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
