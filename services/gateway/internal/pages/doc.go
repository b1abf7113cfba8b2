// Package pages renders what people see: sign-in, consent, errors, the logout question, and the form that carries an
// answer to a client.
//
// Every page is one HTML document: the style is inside and allowed by its hash, pictures come from the gateway, there
// is no script but the one line that submits an answer, and every page works without it. Forms go to the gateway alone; where people
// go on to other sites, Onward puts a page between. A page has the theme of its application or domain once its view has app and d,
// and can be replaced by an administrator's once it has custom. Scripts of users rely on the
// elements' ids and names.
//
// Pages speak the languages of texts/*.txt. To add a text: write a block with a key and a line for each language into the file
// of its area, or a file of your own; say {{t "area.key"}} in the template, or {{t "area.key" "name" .Value}} where the text has
// {name} in it; give titles as keys (view.Title). A message above a form is an English text in texts/messages.txt.
package pages
