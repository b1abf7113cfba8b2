package prototree

import "bytes"

// JoinLines lets a JSON text go on behind a backslash at the end of a line, as shells do: `{ \` and a line break, outside of a
// string, count as white space. Examples of commands are often printed so, with the text inside quotes where the shell leaves
// the backslash alone. Nothing else is touched; a text without such lines is returned as it is, and the given one is not changed.
func JoinLines(text []byte) []byte {
	if !bytes.Contains(text, []byte("\\\n")) && !bytes.Contains(text, []byte("\\\r\n")) {
		return text
	}
	joined := bytes.Clone(text)
	inString := false
	for i := 0; i < len(joined); i++ {
		switch {
		case joined[i] == '"':
			inString = !inString
		case joined[i] != '\\':
		case inString:
			i++ // whatever is escaped
		case bytes.HasPrefix(joined[i+1:], []byte("\n")), bytes.HasPrefix(joined[i+1:], []byte("\r\n")):
			joined[i] = ' '
		}
	}
	return joined
}
