// Package pages renders what people see: sign-in, consent, errors, the logout question, and the form that carries an
// answer to a client.
//
// Every page is one HTML document without references to anything else: the style is inside and allowed by its hash, there
// is no script but the one line that submits an answer, and every page works without it. Scripts of users rely on the
// elements' ids and names.
//
// Pages speak the languages of texts/*.txt. To add a text: write a block with a key and a line for each language into the file
// of its area, or a file of your own; say {{t "area.key"}} in the template, or {{t "area.key" "name" .Value}} where the text has
// {name} in it; give titles as keys (view.Title). A message above a form is an English text in texts/messages.txt.
package pages
