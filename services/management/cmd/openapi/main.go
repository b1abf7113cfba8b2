// Command openapi prints the OpenAPI document of the management API. It is a tool of `make generate`:
//
//	openapi                   the document, in YAML
//	openapi -client           the same as OpenAPI 3.0.3, for generators that read no newer one
//	openapi -comments IMAGE   the comments of the contracts, out of an image that `buf build` wrote
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/gatehouse-am/gatehouse/services/management"
	"github.com/gatehouse-am/gatehouse/services/management/internal/comment"
)

func main() {
	image := flag.String("comments", "", "print the comments of this `image` instead")
	client := flag.Bool("client", false, "print OpenAPI 3.0.3")
	flag.Parse()
	text, err := document(*image, *client)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func document(image string, client bool) ([]byte, error) {
	if image != "" {
		data, err := os.ReadFile(image)
		if err != nil {
			return nil, err
		}
		return comment.Extract(data)
	}
	d, err := management.OpenAPI()
	if err != nil {
		return nil, err
	}
	if client {
		return d.Compatible().YAML()
	}
	return d.YAML()
}
