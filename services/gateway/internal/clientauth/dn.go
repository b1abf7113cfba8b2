package clientauth

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// errDN says that a text is no distinguished name in the form of RFC 4514.
var errDN = errors.New("no distinguished name in the form of RFC 4514")

// sameSubject compares the subject of a certificate, in DER, with a distinguished name as text (RFC 4514): attribute by
// attribute, in any order within one relative name, and values without regard to case and to how many spaces there are
// between words, as directories match them (RFC 4517 §4.2.11, §4.2.15).
func sameSubject(der []byte, text string) (bool, error) {
	want, err := parseDN(text)
	if err != nil {
		return false, err
	}
	var have []relativeSET
	if rest, err := asn1.Unmarshal(der, &have); err != nil || len(rest) > 0 {
		return false, errors.New("the certificate's subject cannot be read")
	}
	// The text begins with what is last in the certificate (RFC 4514 §2.1).
	slices.Reverse(want)
	return slices.EqualFunc(have, want, sameRelative), nil
}

// relativeSET is a relative distinguished name as certificates have it. Package asn1 knows a set by the end of its type's name.
type relativeSET []attribute

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// textAttribute is an attribute of a text: its value, or its DER if der is not nil.
type textAttribute struct {
	oid, value string
	der        []byte
}

func sameRelative(have relativeSET, want []textAttribute) bool {
	if len(have) != len(want) {
		return false
	}
	rest := slices.Clone(want)
	for _, h := range have {
		i := slices.IndexFunc(rest, func(w textAttribute) bool { return sameAttribute(h, w) })
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return true
}

func sameAttribute(have attribute, want textAttribute) bool {
	if have.Type.String() != want.oid {
		return false
	}
	if want.der != nil {
		return slices.Equal(have.Value.FullBytes, want.der)
	}
	var value string
	if _, err := asn1.Unmarshal(have.Value.FullBytes, &value); err != nil {
		return false
	}
	return strings.EqualFold(strings.Join(strings.Fields(value), " "), strings.Join(strings.Fields(want.value), " "))
}

// attributeTypes are the short names: those of RFC 4514 §3, and what else certificates of organisations have.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8", "S": "2.5.4.8",
	"STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "T": "2.5.4.12", "TITLE": "2.5.4.12", "BUSINESSCATEGORY": "2.5.4.15",
	"POSTALCODE": "2.5.4.17", "GN": "2.5.4.42", "GIVENNAME": "2.5.4.42", "SURNAME": "2.5.4.4", "ORGANIZATIONIDENTIFIER": "2.5.4.97",
	"UID": "0.9.2342.19200300.100.1.1", "DC": "0.9.2342.19200300.100.1.25",
	"E": "1.2.840.113549.1.9.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
	"JURISDICTIONCOUNTRYNAME": "1.3.6.1.4.1.311.60.2.1.3", "JURISDICTIONC": "1.3.6.1.4.1.311.60.2.1.3",
	"JURISDICTIONSTATEORPROVINCENAME": "1.3.6.1.4.1.311.60.2.1.2", "JURISDICTIONLOCALITYNAME": "1.3.6.1.4.1.311.60.2.1.1",
}

// maxDN is the longest name in bytes.
const maxDN = 4096

// parseDN reads a distinguished name as text. Spaces around attributes are let through, though RFC 4514 has none.
func parseDN(text string) ([][]textAttribute, error) {
	if text == "" || len(text) > maxDN || !utf8.ValidString(text) {
		return nil, errDN
	}
	var names [][]textAttribute
	var current []textAttribute
	for rest := text; ; {
		a, after, err := parseAttribute(rest)
		if err != nil {
			return nil, err
		}
		current = append(current, a)
		if after == "" || after[0] == ',' {
			names, current = append(names, current), nil
		}
		if after == "" {
			return names, nil
		}
		rest = after[1:]
	}
}

// parseAttribute reads one attribute; what follows it is empty or begins with a comma or a plus.
func parseAttribute(s string) (a textAttribute, rest string, err error) {
	name, rest, ok := strings.Cut(s, "=")
	if !ok {
		return a, "", errDN
	}
	name = strings.ToUpper(strings.TrimSpace(name))
	name = strings.TrimPrefix(name, "OID.")
	if a.oid = attributeTypes[name]; a.oid == "" {
		if strings.Trim(name, "0123456789.") != "" || !strings.Contains(name, ".") {
			return a, "", errDN
		}
		a.oid = name
	}
	rest = strings.TrimLeft(rest, " ")
	if strings.HasPrefix(rest, "#") {
		end := strings.IndexAny(rest, ",+")
		if end < 0 {
			end = len(rest)
		}
		if a.der, err = hex.DecodeString(strings.TrimSpace(rest[1:end])); err != nil || len(a.der) == 0 {
			return a, "", errDN
		}
		return a, rest[end:], nil
	}
	a.value, rest, err = parseValue(rest)
	return a, rest, err
}

// parseValue reads a value with its escapes (RFC 4514 §2.4, §3).
func parseValue(s string) (value, rest string, err error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', '+':
			return string(b), s[i:], checkValue(b)
		case '"', ';', '<', '>', 0:
			return "", "", errDN // only escaped
		case '\\':
			if i+1 >= len(s) {
				return "", "", errDN
			}
			if strings.IndexByte(` "#+,;<=>\`, s[i+1]) >= 0 {
				b = append(b, s[i+1])
				i++
				continue
			}
			if i+2 >= len(s) {
				return "", "", errDN
			}
			pair, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return "", "", errDN
			}
			b = append(b, pair[0])
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b), "", checkValue(b)
}

func checkValue(b []byte) error {
	if !utf8.Valid(b) {
		return errDN
	}
	return nil
}
