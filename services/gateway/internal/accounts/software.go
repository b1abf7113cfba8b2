package accounts

import "strings"

// software names the browser and the operating system of a User-Agent header, as far as people know them by their names; empty
// where nothing is known. It is for people to recognise their own devices by, and decides nothing.
func software(agent string) (browser, system string) {
	return first(agent, browsers), first(agent, systems)
}

// known is a name, and what a header contains that has it.
type known struct{ sign, name string }

// The first that matches counts: most browsers call themselves by the names of others as well.
var (
	browsers = []known{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"Opera", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"}, {"YaBrowser/", "Yandex Browser"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"},
		{"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"AppleWebKit/", "Safari"}, {"Trident/", "Internet Explorer"},
		{"MSIE ", "Internet Explorer"}, {"curl/", "curl"}, {"Go-http-client/", "Go"}, {"python-requests/", "Python"},
	}
	systems = []known{
		{"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Macintosh", "macOS"},
		{"Mac OS X", "macOS"}, {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"}, {"Linux", "Linux"},
	}
)

func first(agent string, list []known) string {
	for _, one := range list {
		if strings.Contains(agent, one.sign) {
			return one.name
		}
	}
	return ""
}
