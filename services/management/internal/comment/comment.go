// Package comment knows what the contracts in proto/ say about messages, fields, oneofs and enums. Generated code leaves
// comments out, so they are kept beside it, in a file that `make generate` writes.
package comment

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:embed comments.json
var file []byte

var all = sync.OnceValue(func() map[string]string {
	found := map[string]string{}
	// The file is written by Extract; where it is damaged there are no comments.
	_ = json.Unmarshal(file, &found)
	return found
})

// Of returns the comment of a message, field, oneof, enum or value; "" if it has none.
func Of(d protoreflect.Descriptor) string { return all()[string(d.FullName())] }

// Extract returns the file's content for an image, which is a FileDescriptorSet with source information as `buf build`
// writes it: an object of full names and comments, in the order of the names. Protobuf's own files are left out.
func Extract(image []byte) ([]byte, error) {
	var set descriptorpb.FileDescriptorSet
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(image, &set); err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	found := map[string]string{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(fd.Path(), "gatehouse/") {
			collect(fd, fd.SourceLocations(), found)
		}
		return true
	})
	text, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// declarations are what files and messages have in common.
type declarations interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}

func collect(in declarations, at protoreflect.SourceLocations, found map[string]string) {
	keep := func(d protoreflect.Descriptor) {
		if text := tidy(at.ByDescriptor(d).LeadingComments); text != "" {
			found[string(d.FullName())] = text
		}
	}
	for i := range in.Messages().Len() {
		md := in.Messages().Get(i)
		if md.IsMapEntry() {
			continue
		}
		keep(md)
		for j := range md.Fields().Len() {
			keep(md.Fields().Get(j))
		}
		for j := range md.Oneofs().Len() {
			keep(md.Oneofs().Get(j))
		}
		collect(md, at, found)
	}
	for i := range in.Enums().Len() {
		ed := in.Enums().Get(i)
		keep(ed)
		for j := range ed.Values().Len() {
			keep(ed.Values().Get(j))
		}
	}
}

// tidy joins the lines of a comment into paragraphs.
func tidy(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.TrimSpace(strings.Join(paragraphs, "\n\n"))
}
