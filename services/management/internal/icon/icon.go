// Package icon checks the pictures of applications: what they are is read from their content, never from a name or a header,
// and an SVG picture keeps nothing that runs or that leads outside.
package icon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// MaxSize is the greatest size of a picture, in bytes; maxSide its greatest width and height, in pixels.
const (
	MaxSize = 512 << 10
	maxSide = 4096
)

// The types of picture.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	WebP = "image/webp"
	SVG  = "image/svg+xml"
)

const allowed = "PNG, JPEG, WebP and SVG are allowed, up to 512 KiB"

// Picture is a picture that may be shown.
type Picture struct {
	// Digest is the SHA-256 of the content in hexadecimal digits.
	Digest    string
	MediaType string
	Content   []byte
}

// Check reads a picture. What may not be shown is a fault that says what was found and what is allowed.
func Check(content []byte) (*Picture, error) {
	if len(content) == 0 {
		return nil, refuse("nothing was found")
	}
	if len(content) > MaxSize {
		return nil, refuse(fmt.Sprintf("%d KiB were found", (len(content)+1023)>>10))
	}
	switch {
	case bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")):
		return raster(PNG, content, png.DecodeConfig)
	case bytes.HasPrefix(content, []byte("\xff\xd8\xff")):
		return raster(JPEG, content, jpeg.DecodeConfig)
	case len(content) > 15 && string(content[:4]) == "RIFF" && string(content[8:12]) == "WEBP":
		if string(content[12:15]) != "VP8" || uint64(binary.LittleEndian.Uint32(content[4:])) != uint64(len(content)-8) {
			return nil, refuse("a WebP picture that cannot be read was found")
		}
		return picture(WebP, content), nil
	case bytes.HasPrefix(content, []byte("GIF8")):
		return nil, refuse("a GIF picture was found")
	}
	if text := bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))); utf8.Valid(text) && bytes.HasPrefix(text, []byte("<")) {
		clean, err := cleanSVG(text)
		if err != nil {
			return nil, refuse("an SVG picture was found that is refused: " + err.Error())
		}
		return picture(SVG, clean), nil
	}
	return nil, refuse("something else was found")
}

func raster(mediaType string, content []byte, config func(io.Reader) (image.Config, error)) (*Picture, error) {
	c, err := config(bytes.NewReader(content))
	switch {
	case err != nil:
		return nil, refuse("a picture that cannot be read was found")
	case c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide:
		return nil, refuse(fmt.Sprintf("a picture of %d × %d pixels was found, at most %d × %d are shown", c.Width, c.Height, maxSide, maxSide))
	}
	return picture(mediaType, content), nil
}

func picture(mediaType string, content []byte) *Picture {
	sum := sha256.Sum256(content)
	return &Picture{Digest: hex.EncodeToString(sum[:]), MediaType: mediaType, Content: content}
}

func refuse(found string) error {
	text := found + "; " + allowed
	return fault.Invalidf("[icon: %s]", text).At("icon", text)
}
