package prototree

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

func number(kind protoreflect.Kind, v any) (protoreflect.Value, *Error) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := whole(v, math.MinInt32, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(n)), err
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := whole(v, math.MinInt64, math.MaxInt64)
		return protoreflect.ValueOfInt64(n), err
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := whole(v, 0, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(n)), err
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := unsigned(v)
		return protoreflect.ValueOfUint64(n), err
	case protoreflect.FloatKind:
		x, err := float(v, 32)
		return protoreflect.ValueOfFloat32(float32(x)), err
	case protoreflect.DoubleKind:
		x, err := float(v, 64)
		return protoreflect.ValueOfFloat64(x), err
	}
	return protoreflect.Value{}, wrong(Kind, "cannot be read")
}

const wholeNumber = "a whole number"

// whole reads an integer within bounds. A number written with a fraction or an exponent is none.
func whole(v any, least, most int64) (int64, *Error) {
	var n int64
	switch v := v.(type) {
	case json.Number:
		parsed, err := strconv.ParseInt(v.String(), 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return 0, outOfRange(v.String(), least, most)
		}
		if err != nil {
			return 0, wrongKind(wholeNumber)
		}
		n = parsed
	case int:
		n = int64(v)
	case int32:
		n = int64(v)
	case int64:
		n = v
	case float64:
		// A database shell writes every number this way. Beyond 2⁵³ it is no longer the number somebody wrote.
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, wrongKind(wholeNumber)
		}
		n = int64(v)
	default:
		return 0, wrongKind(wholeNumber)
	}
	if n < least || n > most {
		return 0, outOfRange(strconv.FormatInt(n, 10), least, most)
	}
	return n, nil
}

func unsigned(v any) (uint64, *Error) {
	text, ok := v.(json.Number)
	if !ok {
		n, err := whole(v, 0, math.MaxInt64)
		return uint64(n), err
	}
	n, err := strconv.ParseUint(text.String(), 10, 64)
	if err == nil {
		return n, nil
	}
	if _, err := whole(v, 0, math.MaxInt64); err != nil && err.Reason == Kind {
		return 0, err
	}
	detail := "must be from 0 to " + strconv.FormatUint(math.MaxUint64, 10)
	return 0, &Error{Reason: Range, Detail: detail, Value: digits(text.String())}
}

func outOfRange(text string, least, most int64) *Error {
	detail := "must be from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
	return &Error{Reason: Range, Detail: detail, Value: digits(text)}
}

// digits returns a number for an error text, and nothing if it is too long for one.
func digits(text string) string {
	if len(text) > 40 {
		return ""
	}
	return text
}

func float(v any, bits int) (float64, *Error) {
	var x float64
	switch v := v.(type) {
	case json.Number:
		parsed, err := strconv.ParseFloat(v.String(), bits)
		if errors.Is(err, strconv.ErrRange) {
			return 0, &Error{Reason: Range, Detail: "is too large", Value: digits(v.String())}
		}
		if err != nil {
			return 0, wrongKind("a number")
		}
		x = parsed
	case float64:
		x = v
	case int:
		x = float64(v)
	case int32:
		x = float64(v)
	case int64:
		x = float64(v)
	default:
		return 0, wrongKind("a number")
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, wrong(Range, "must be a finite number")
	}
	return x, nil
}

func (d *decoder) time(v any, m protoreflect.Message) *Error {
	var sec, nano int64
	switch d.times {
	case milliseconds:
		n, err := whole(v, minSecond*1000, maxSecond*1000+999)
		if err != nil {
			return err
		}
		t := time.UnixMilli(n)
		sec, nano = t.Unix(), int64(t.Nanosecond())
	case seconds:
		n, err := whole(v, minSecond, maxSecond)
		if err != nil {
			return err
		}
		sec = n
	case rfc3339:
		s, ok := v.(string)
		if !ok {
			return wrongKind("a time in the form of RFC 3339")
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return wrongKind("a time in the form of RFC 3339")
		}
		sec, nano = t.Unix(), int64(t.Nanosecond())
	case native:
		t, ok := v.(time.Time)
		if !ok {
			return wrongKind("a time")
		}
		sec, nano = t.Unix(), int64(t.Nanosecond())
	}
	if sec < minSecond || sec > maxSecond {
		return wrong(Range, "must be a time from the year 1 to 9999")
	}
	fields := m.Descriptor().Fields()
	m.Set(fields.ByNumber(1), protoreflect.ValueOfInt64(sec))
	m.Set(fields.ByNumber(2), protoreflect.ValueOfInt32(int32(nano)))
	return nil
}
