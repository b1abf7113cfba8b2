// Package pagetext provides the texts that administrators write in place of the product's own: pages that people see and
// e-mails that they receive.
//
// A text is a Go template. What it may say is fixed: every page and every e-mail has a [Vocabulary] of plain values, and
// there is one set of [Functions]. What is wrong with a text is found when it is compiled, with line and column: faults
// of syntax, members and functions that do not exist, members used as what they are not, values in places of HTML where
// they cannot be made safe.
//
//	Page("login")  →  *Vocabulary  →  Compile(v, text)  →  *Text  →  Render(values)
//
// # Limits
//
// A text cannot do harm, whoever wrote it. It sees copies of the given values and nothing else: no methods, no files, no
// environment. Templates within templates are refused, so nothing calls itself; only lists can be repeated over, so the
// work of a text is known when it is compiled and is refused beyond a limit. Values are escaped for the place where they
// stand in HTML. Rendering ends with an error beyond [MaxOutput].
//
// Vocabularies and compiled texts are immutable and safe for concurrent use.
package pagetext
