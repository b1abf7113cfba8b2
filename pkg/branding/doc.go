// Package branding turns what administrators say of the look of pages into a style sheet.
//
//	Check(domain's)  →  *Problem or nil, when it is saved
//	Compile(domain's, application's)  →  *Theme, once for each revision
//
// Whatever colours are given, people can read the pages: text reaches a contrast of 4.5 : 1 and what can be operated 3 : 1 (WCAG
// 2.2, 1.4.3 and 1.4.11), on light and on dark screens. A colour that does not is made darker or lighter, as little as that
// needs, and keeps its hue.
package branding
