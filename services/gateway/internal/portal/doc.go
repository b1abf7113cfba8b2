// Package portal is what people have of the applications that they may use: My applications, the data behind it, and the links by which
// applications are opened.
//
//	/portal                            the page: by headings, or what a search finds
//	/portal/applications               the same as JSON
//	/portal/applications/{slug}/access whether the person who asks may use one application
//	/application/launch/{slug}/        decides, and leads to the application
//
// Everything begins with the same question: may this person, from where they are now, use this application? It is asked of all that may
// be shown before anything is counted, searched or cut into pages, so that counts are true, pages are full, and what somebody may not
// use leaves no trace: not in a count, not as an empty heading, not by how a search answers.
//
// Whoever is not signed in signs in without an authorization request (browser.Direct) and comes back to where they were.
package portal
