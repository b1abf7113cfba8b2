package pagetext

import "strings"

// phrases are the product's own e-mails in one language. Every text is a part of a template.
type phrases struct {
	greeting string
	// within says for how long the link can be used.
	within string
	// ignore is for whoever did not ask.
	ignore string
	// mails are what e-mails with a link say, by template.
	mails map[string]mail
	taken takenMail
}

// mail is an e-mail whose purpose is its link.
type mail struct{ subject, lead, link string }

// takenMail tells that there is an account, or that the name is somebody else's.
type takenMail struct{ subject, existing, reset, name, again string }

// English stands first: it is what is sent to whoever reads none of the others.
var languages = []string{"en", "de", "fr", "es", "it"}

var said = map[string]phrases{
	"en": {
		greeting: "Hello {{default .user.username .user.firstName}},",
		within:   "The link can be used once, within {{duration .expiresAfter}}.",
		ignore:   "If you did not ask for it, you can ignore this message.",
		mails: map[string]mail{
			"registration_confirmation": {"Complete your registration at {{.domain.name}}", "An account was made for you at {{.domain.name}}; your user name is <strong>{{.user.username}}</strong>. Choose a password to use it.", "Choose a password"},
			"registration_verify":       {"Verify your address for {{.domain.name}}", "Somebody, probably you, asked for the account <strong>{{.user.username}}</strong> at {{.domain.name}} with this address. Please confirm that it is yours.", "Confirm the address"},
			"forgot_password":           {"Choose a new password for {{.domain.name}}", "Somebody, probably you, wants another password for your account <strong>{{.user.username}}</strong> at {{.domain.name}}.", "Choose a new password"},
			"reset_password":            {"Choose a new password for {{.domain.name}}", "Please choose another password for your account <strong>{{.user.username}}</strong> at {{.domain.name}}.", "Choose a new password"},
			"blocked_account":           {"Your account at {{.domain.name}} is blocked", "Your account <strong>{{.user.username}}</strong> at {{.domain.name}} is blocked for a while, because a wrong password was entered too often. You can unblock it by choosing another password.", "Choose a new password"},
			"magic_link":                {"Sign in to {{.domain.name}}", "With this link you sign in to {{.domain.name}}.", "Sign in"},
		},
		taken: takenMail{
			subject:  "Your registration at {{.domain.name}}",
			existing: "Somebody, probably you, asked for an account at {{.domain.name}} with this address. You have one already; its user name is <strong>{{.user.username}}</strong>. Sign in with it.",
			reset:    "If you do not know the password any more, choose a new one",
			name:     "Somebody, probably you, asked for an account at {{.domain.name}} with the user name <strong>{{.user.username}}</strong>. That name is not available.",
			again:    "Ask again with another name",
		},
	},
	"de": {
		greeting: "Guten Tag {{default .user.username .user.firstName}},",
		within:   `Der Link gilt einmal, innerhalb von {{duration .expiresAfter "de"}}.`,
		ignore:   "Wenn Sie nicht darum gebeten haben, können Sie diese Nachricht ignorieren.",
		mails: map[string]mail{
			"registration_confirmation": {"Schließen Sie Ihre Registrierung bei {{.domain.name}} ab", "für Sie wurde ein Konto bei {{.domain.name}} angelegt; Ihr Benutzername ist <strong>{{.user.username}}</strong>. Wählen Sie ein Passwort, um es zu nutzen.", "Passwort wählen"},
			"registration_verify":       {"Bestätigen Sie Ihre Adresse für {{.domain.name}}", "jemand, vermutlich Sie, hat bei {{.domain.name}} das Konto <strong>{{.user.username}}</strong> mit dieser Adresse beantragt. Bitte bestätigen Sie, dass es Ihre ist.", "Adresse bestätigen"},
			"forgot_password":           {"Wählen Sie ein neues Passwort für {{.domain.name}}", "jemand, vermutlich Sie, möchte ein neues Passwort für Ihr Konto <strong>{{.user.username}}</strong> bei {{.domain.name}}.", "Neues Passwort wählen"},
			"reset_password":            {"Wählen Sie ein neues Passwort für {{.domain.name}}", "bitte wählen Sie ein neues Passwort für Ihr Konto <strong>{{.user.username}}</strong> bei {{.domain.name}}.", "Neues Passwort wählen"},
			"blocked_account":           {"Ihr Konto bei {{.domain.name}} ist gesperrt", "Ihr Konto <strong>{{.user.username}}</strong> bei {{.domain.name}} ist vorübergehend gesperrt, weil zu oft ein falsches Passwort eingegeben wurde. Sie können es entsperren, indem Sie ein neues Passwort wählen.", "Neues Passwort wählen"},
			"magic_link":                {"Anmeldung bei {{.domain.name}}", "mit diesem Link melden Sie sich bei {{.domain.name}} an.", "Anmelden"},
		},
		taken: takenMail{
			subject:  "Ihre Registrierung bei {{.domain.name}}",
			existing: "jemand, vermutlich Sie, hat bei {{.domain.name}} ein Konto mit dieser Adresse beantragt. Sie haben schon eines; sein Benutzername ist <strong>{{.user.username}}</strong>. Melden Sie sich damit an.",
			reset:    "Wenn Sie das Passwort nicht mehr wissen, wählen Sie ein neues",
			name:     "jemand, vermutlich Sie, hat bei {{.domain.name}} ein Konto mit dem Benutzernamen <strong>{{.user.username}}</strong> beantragt. Dieser Name ist nicht verfügbar.",
			again:    "Mit einem anderen Namen versuchen",
		},
	},
	"fr": {
		greeting: "Bonjour {{default .user.username .user.firstName}},",
		within:   `Le lien est utilisable une seule fois, pendant {{duration .expiresAfter "fr"}}.`,
		ignore:   "Si vous n’avez rien demandé, vous pouvez ignorer ce message.",
		mails: map[string]mail{
			"registration_confirmation": {"Terminez votre inscription à {{.domain.name}}", "Un compte a été créé pour vous chez {{.domain.name}} ; votre nom d’utilisateur est <strong>{{.user.username}}</strong>. Choisissez un mot de passe pour l’utiliser.", "Choisir un mot de passe"},
			"registration_verify":       {"Confirmez votre adresse pour {{.domain.name}}", "Quelqu’un, sans doute vous, a demandé le compte <strong>{{.user.username}}</strong> chez {{.domain.name}} avec cette adresse. Veuillez confirmer qu’elle est la vôtre.", "Confirmer l’adresse"},
			"forgot_password":           {"Choisissez un nouveau mot de passe pour {{.domain.name}}", "Quelqu’un, sans doute vous, souhaite un nouveau mot de passe pour votre compte <strong>{{.user.username}}</strong> chez {{.domain.name}}.", "Choisir un nouveau mot de passe"},
			"reset_password":            {"Choisissez un nouveau mot de passe pour {{.domain.name}}", "Veuillez choisir un nouveau mot de passe pour votre compte <strong>{{.user.username}}</strong> chez {{.domain.name}}.", "Choisir un nouveau mot de passe"},
			"blocked_account":           {"Votre compte chez {{.domain.name}} est bloqué", "Votre compte <strong>{{.user.username}}</strong> chez {{.domain.name}} est bloqué pour un temps, car un mot de passe erroné a été saisi trop souvent. Vous pouvez le débloquer en choisissant un nouveau mot de passe.", "Choisir un nouveau mot de passe"},
			"magic_link":                {"Connexion à {{.domain.name}}", "Ce lien vous connecte à {{.domain.name}}.", "Se connecter"},
		},
		taken: takenMail{
			subject:  "Votre inscription à {{.domain.name}}",
			existing: "Quelqu’un, sans doute vous, a demandé un compte chez {{.domain.name}} avec cette adresse. Vous en avez déjà un ; son nom d’utilisateur est <strong>{{.user.username}}</strong>. Connectez-vous avec celui-ci.",
			reset:    "Si vous ne connaissez plus le mot de passe, choisissez-en un nouveau",
			name:     "Quelqu’un, sans doute vous, a demandé un compte chez {{.domain.name}} avec le nom d’utilisateur <strong>{{.user.username}}</strong>. Ce nom n’est pas disponible.",
			again:    "Demander avec un autre nom",
		},
	},
	"es": {
		greeting: "Hola, {{default .user.username .user.firstName}}:",
		within:   `El enlace se puede usar una vez, durante {{duration .expiresAfter "es"}}.`,
		ignore:   "Si no lo ha pedido, puede ignorar este mensaje.",
		mails: map[string]mail{
			"registration_confirmation": {"Complete su registro en {{.domain.name}}", "Se ha creado una cuenta para usted en {{.domain.name}}; su nombre de usuario es <strong>{{.user.username}}</strong>. Elija una contraseña para usarla.", "Elegir una contraseña"},
			"registration_verify":       {"Confirme su dirección para {{.domain.name}}", "Alguien, probablemente usted, ha pedido la cuenta <strong>{{.user.username}}</strong> en {{.domain.name}} con esta dirección. Confirme que es suya.", "Confirmar la dirección"},
			"forgot_password":           {"Elija una contraseña nueva para {{.domain.name}}", "Alguien, probablemente usted, quiere otra contraseña para su cuenta <strong>{{.user.username}}</strong> en {{.domain.name}}.", "Elegir una contraseña nueva"},
			"reset_password":            {"Elija una contraseña nueva para {{.domain.name}}", "Elija otra contraseña para su cuenta <strong>{{.user.username}}</strong> en {{.domain.name}}.", "Elegir una contraseña nueva"},
			"blocked_account":           {"Su cuenta en {{.domain.name}} está bloqueada", "Su cuenta <strong>{{.user.username}}</strong> en {{.domain.name}} está bloqueada por un tiempo, porque se ha introducido demasiadas veces una contraseña errónea. Puede desbloquearla eligiendo otra contraseña.", "Elegir una contraseña nueva"},
			"magic_link":                {"Iniciar sesión en {{.domain.name}}", "Con este enlace inicia sesión en {{.domain.name}}.", "Iniciar sesión"},
		},
		taken: takenMail{
			subject:  "Su registro en {{.domain.name}}",
			existing: "Alguien, probablemente usted, ha pedido una cuenta en {{.domain.name}} con esta dirección. Ya tiene una; su nombre de usuario es <strong>{{.user.username}}</strong>. Inicie sesión con ella.",
			reset:    "Si ya no sabe la contraseña, elija una nueva",
			name:     "Alguien, probablemente usted, ha pedido una cuenta en {{.domain.name}} con el nombre de usuario <strong>{{.user.username}}</strong>. Ese nombre no está disponible.",
			again:    "Pedirla con otro nombre",
		},
	},
	"it": {
		greeting: "Buongiorno {{default .user.username .user.firstName}},",
		within:   `Il link può essere usato una volta, entro {{duration .expiresAfter "it"}}.`,
		ignore:   "Se non lo ha chiesto, può ignorare questo messaggio.",
		mails: map[string]mail{
			"registration_confirmation": {"Concluda la registrazione a {{.domain.name}}", "è stato creato un account per Lei presso {{.domain.name}}; il Suo nome utente è <strong>{{.user.username}}</strong>. Scelga una password per usarlo.", "Scegliere una password"},
			"registration_verify":       {"Confermi il Suo indirizzo per {{.domain.name}}", "qualcuno, probabilmente Lei, ha chiesto l’account <strong>{{.user.username}}</strong> presso {{.domain.name}} con questo indirizzo. Confermi che è Suo.", "Confermare l’indirizzo"},
			"forgot_password":           {"Scelga una nuova password per {{.domain.name}}", "qualcuno, probabilmente Lei, vuole un’altra password per il Suo account <strong>{{.user.username}}</strong> presso {{.domain.name}}.", "Scegliere una nuova password"},
			"reset_password":            {"Scelga una nuova password per {{.domain.name}}", "scelga un’altra password per il Suo account <strong>{{.user.username}}</strong> presso {{.domain.name}}.", "Scegliere una nuova password"},
			"blocked_account":           {"Il Suo account presso {{.domain.name}} è bloccato", "il Suo account <strong>{{.user.username}}</strong> presso {{.domain.name}} è bloccato per un certo tempo, perché è stata inserita troppo spesso una password errata. Può sbloccarlo scegliendo un’altra password.", "Scegliere una nuova password"},
			"magic_link":                {"Accesso a {{.domain.name}}", "con questo link accede a {{.domain.name}}.", "Accedere"},
		},
		taken: takenMail{
			subject:  "La Sua registrazione a {{.domain.name}}",
			existing: "qualcuno, probabilmente Lei, ha chiesto un account presso {{.domain.name}} con questo indirizzo. Ne ha già uno; il suo nome utente è <strong>{{.user.username}}</strong>. Acceda con quello.",
			reset:    "Se non conosce più la password, ne scelga una nuova",
			name:     "qualcuno, probabilmente Lei, ha chiesto un account presso {{.domain.name}} con il nome utente <strong>{{.user.username}}</strong>. Questo nome non è disponibile.",
			again:    "Chiederlo con un altro nome",
		},
	},
}

const (
	mailHead = `<!DOCTYPE html>
<html lang="[language]">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="font-family: system-ui, sans-serif; line-height: 1.5; max-width: 36em; margin: 1.5em auto; padding: 0 1em">
<p>[greeting]</p>
`
	mailFoot = `<p>[ignore]</p>
<p>{{.domain.name}}</p>
</body>
</html>
`
	linkMail = mailHead + `<p>[lead]</p>
<p><a href="{{.url}}" style="font-weight: bold">[link]</a></p>
<p>[within]</p>
` + mailFoot
	takenText = mailHead + `{{if .existing}}<p>[existing]</p>
{{with .url}}<p><a href="{{.}}" style="font-weight: bold">[reset]</a></p>
{{end}}{{else}}<p>[name]</p>
<p><a href="{{.url}}" style="font-weight: bold">[again]</a></p>
{{end}}` + mailFoot
)

// standardIn returns one of the product's own e-mails in a language; false where there is none.
func standardIn(name, language string) (content, subject string, ok bool) {
	p, ok := said[language]
	if !ok {
		return "", "", false
	}
	if name == "registration_taken" {
		return strings.NewReplacer("[language]", language, "[greeting]", p.greeting, "[ignore]", p.ignore, "[existing]", p.taken.existing,
			"[reset]", p.taken.reset, "[name]", p.taken.name, "[again]", p.taken.again).Replace(takenText), p.taken.subject, true
	}
	m, ok := p.mails[name]
	return strings.NewReplacer("[language]", language, "[greeting]", p.greeting, "[lead]", m.lead, "[link]", m.link, "[within]", p.within,
		"[ignore]", p.ignore).Replace(linkMail), m.subject, ok
}

// StandardIn is Standard in the first of some languages (BCP 47) that there is, and that language. English is always there.
func (v *Vocabulary) StandardIn(wanted ...string) (content, subject, language string) {
	for _, tag := range wanted {
		primary, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(tag), "_", "-"), "-")
		if content, subject, ok := standardIn(v.Name, primary); ok {
			return content, subject, primary
		}
	}
	return v.standard, v.subject, languages[0]
}

// units are what times are counted in: one and many, by language.
var units = map[string]map[string][2]string{
	"en": {"week": {"week", "weeks"}, "day": {"day", "days"}, "hour": {"hour", "hours"}, "minute": {"minute", "minutes"}, "second": {"second", "seconds"}},
	"de": {"week": {"Woche", "Wochen"}, "day": {"Tag", "Tagen"}, "hour": {"Stunde", "Stunden"}, "minute": {"Minute", "Minuten"}, "second": {"Sekunde", "Sekunden"}},
	"fr": {"week": {"semaine", "semaines"}, "day": {"jour", "jours"}, "hour": {"heure", "heures"}, "minute": {"minute", "minutes"}, "second": {"seconde", "secondes"}},
	"es": {"week": {"semana", "semanas"}, "day": {"día", "días"}, "hour": {"hora", "horas"}, "minute": {"minuto", "minutos"}, "second": {"segundo", "segundos"}},
	"it": {"week": {"settimana", "settimane"}, "day": {"giorno", "giorni"}, "hour": {"ora", "ore"}, "minute": {"minuto", "minuti"}, "second": {"secondo", "secondi"}},
}
