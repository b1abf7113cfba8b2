package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Archived is what an archive holds of operators: their roles, themselves with their memberships in the organization and its
// environment, what they are member of in domains and applications, and their tokens.
type Archived struct {
	Roles     []*store.OperatorRole
	Operators []*store.Operator
	Members   []store.OperatorMembership
	Tokens    []*store.PersonalToken
}

// Finding is what becomes of one of them: it is made where neither Err, which says why it cannot be, nor Left is set, which says why
// it is left out. Something that is made may have a Warning.
type Finding struct {
	Kind, ID, Name string
	// Was is the identifier in the archive, where that of the one that is here is another.
	Was           string
	Err           error
	Left, Warning string
}

// Restoration is what is made of operators of an archive. Nobody who is here, and no role, is changed or gets anything: what was
// taken from them since is not given back.
type Restoration struct {
	s         *Service
	roles     []*store.OperatorRole
	operators []*returning
}

// returning is an operator who is made, with what is theirs.
type returning struct {
	*store.Operator
	members []store.OperatorMembership
	tokens  []*store.PersonalToken
}

// There completes the place of a membership in a domain or an application, and reports whether there is such a place, or will be.
type There func(ctx context.Context, at Place) (Place, bool, error)

// restoring plans a Restoration.
type restoring struct {
	*Service
	from                      Archived
	organization, environment string
	there                     There
	say                       func(Finding) error

	out *Restoration
	// roles are those that are made or here, by their identifiers in the archive.
	roles map[string]*Role
	// byID are the operators who are made, here those who are here, and left how many memberships and tokens they have, by their
	// identifiers in the archive.
	byID map[string]*returning
	left map[string]int
	here map[string]bool
}

const stays = "It is here already and stays as it is"

// Restoration checks what an archive holds of operators as if the operator of ctx made all of it by hand: the same rules, and the
// same permissions, at the place of each membership. It writes nothing.
func (s *Service) Restoration(ctx context.Context, organization, environment string, a Archived, there There, say func(Finding) error) (*Restoration, error) {
	r := &restoring{
		Service: s, from: a, organization: organization, environment: environment, there: there, say: say,
		out: &Restoration{s: s}, roles: map[string]*Role{}, byID: map[string]*returning{}, left: map[string]int{}, here: map[string]bool{},
	}
	for _, step := range []func(context.Context) error{r.planRoles, r.planOperators, r.planMembers, r.planTokens} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

// told says what a check has found, and nothing where the check itself failed.
func (r *restoring) told(f Finding, err error) error {
	if err != nil && (fault.KindOf(err) == fault.Internal || fault.KindOf(err) == fault.Unavailable) {
		return err
	}
	f.Err = err
	return r.say(f)
}

// May refuses what the operator of ctx has no permission for at a place.
func (s *Service) May(ctx context.Context, at Place, permission string) error {
	caller, ok := From(ctx)
	if !ok {
		return nil
	}
	own, err := s.At(ctx, caller, at)
	if err != nil || own.Has(permission) {
		return err
	}
	return fault.Deniedf("Permission denied: this needs %s", permission)
}

func (r *restoring) planRoles(ctx context.Context) error {
	here, err := r.Store.OperatorRoles().List(ctx)
	if err != nil {
		return err
	}
	ids, names := map[string]*store.OperatorRole{}, map[string]*store.OperatorRole{}
	for _, one := range here {
		ids[one.ID], names[strings.ToLower(one.Name)] = one, one
	}
	seen := map[string]bool{}
	for _, one := range r.from.Roles {
		f := Finding{Kind: store.KeptOperatorRole, ID: one.ID, Name: one.Name}
		one.Name = strings.TrimSpace(one.Name)
		name := strings.ToLower(one.Name)
		present := ids[one.ID]
		if present == nil {
			present = names[name]
		}
		if present != nil {
			r.roles[one.ID] = roleOf(present)
			f.ID, f.Left = present.ID, stays
			if present.ID != one.ID {
				f.Was = one.ID
			}
			if err := r.say(f); err != nil {
				return err
			}
			continue
		}
		role := roleOf(one)
		if n := len(one.Permissions) - len(role.Permissions); n > 0 {
			f.Warning = fmt.Sprintf("%d of its permissions are not known here and are left out", n)
		}
		one.Permissions = role.Permissions.Texts()
		err := r.roleAllowed(ctx, one, role)
		if err == nil && (seen[one.ID] || seen[name]) {
			err = broken("name", "is there twice")
		}
		if err == nil {
			seen[one.ID], seen[name] = true, true
			r.roles[one.ID] = role
			r.out.roles = append(r.out.roles, one)
		}
		if err := r.told(f, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) roleAllowed(ctx context.Context, one *store.OperatorRole, role *Role) error {
	if err := firstOf(identifier("_id", one.ID), r.ours(one.Organization), required("name", one.Name), bounded("name", one.Name, maxText),
		bounded("description", one.Description, maxDescription)); err != nil {
		return err
	}
	if builtInRole(strings.ToUpper(one.Name)) != nil {
		return roleTaken(one, store.ErrDuplicate)
	}
	if !slices.Contains(levels, role.Assignable) {
		return broken("assignable", "must be one of organization, environment, domain, application")
	}
	at := Place{Organization: r.organization}
	if err := r.May(ctx, at, "operator_role:create"); err != nil {
		return err
	}
	return r.mayGive(ctx, at, role.Permissions)
}

func (r *restoring) ours(organization string) error {
	if organization != r.organization {
		return broken("organization", "is another one")
	}
	return nil
}

// identifier refuses what this program would not have made as an identifier.
func identifier(path, id string) error {
	if !secret.IsID(id) {
		return broken(path, "must be a UUID in lower case")
	}
	return nil
}

func (r *restoring) planOperators(ctx context.Context) error {
	here, err := r.Store.Operators().List(ctx)
	if err != nil {
		return err
	}
	ids, names := map[string]*store.Operator{}, map[string]*store.Operator{}
	for _, one := range here {
		ids[one.ID], names[one.Key] = one, one
	}
	for _, m := range r.from.Members {
		r.left[m.Operator]++
	}
	for _, t := range r.from.Tokens {
		r.left[t.Operator]++
	}
	seen := map[string]bool{}
	for _, one := range r.from.Operators {
		f := Finding{Kind: store.KeptOperator, ID: one.ID, Name: one.Name}
		name := strings.ToLower(strings.TrimSpace(one.Name))
		present := ids[one.ID]
		if present == nil {
			present = names[name]
		}
		if present != nil {
			r.here[one.ID] = true
			f.ID, f.Left = present.ID, stays
			if present.ID != one.ID {
				f.Was = one.ID
			}
			if n := r.left[one.ID] + len(one.Memberships); n > 0 {
				f.Left += fmt.Sprintf("; %d memberships and tokens of it in the archive are left out", n)
			}
			if err := r.say(f); err != nil {
				return err
			}
			continue
		}
		back := &returning{Operator: one}
		err := r.operatorAllowed(ctx, back)
		if err == nil && (seen[one.ID] || seen[name]) {
			err = broken("username", "is there twice")
		}
		if err == nil {
			seen[one.ID], seen[name] = true, true
			delete(r.left, one.ID)
			r.byID[one.ID] = back
			r.out.operators = append(r.out.operators, back)
		}
		if err := r.told(f, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) operatorAllowed(ctx context.Context, o *returning) error {
	if err := firstOf(identifier("id", o.ID), r.ours(o.Organization), CheckName("username", o.Name), checkProfile(o.Operator)); err != nil {
		return err
	}
	switch {
	case o.Name != strings.TrimSpace(o.Name):
		return broken("username", "must not begin or end with a space")
	case o.ServiceAccount && o.PasswordHash != "":
		return broken("passwordHash", "a service account has none")
	case o.PasswordHash != "" && !secret.Known(o.PasswordHash):
		return broken("passwordHash", "must be an argon2id or bcrypt hash")
	}
	if err := r.May(ctx, Place{Organization: r.organization}, "operator:create"); err != nil {
		return err
	}
	kept := []store.OperatorMembership{}
	for i, m := range o.Memberships {
		path := fmt.Sprintf("memberships[%d]", i)
		at := Place{Organization: r.organization}
		if m.Reference == store.PlaceOfEnvironment(r.environment) {
			at.Environment = r.environment
		} else if m.Reference != store.PlaceOfOrganization(r.organization) {
			return broken(path+".reference", "must be that of the organization or its environment")
		}
		if m.Operator != o.ID || m.Domain != "" {
			return broken(path+".operator", "must be the operator whose membership it is")
		}
		if slices.ContainsFunc(kept, func(k store.OperatorMembership) bool { return k.Reference == m.Reference }) {
			return broken(path+".reference", "is there twice")
		}
		role, err := r.given(ctx, at, m.Role)
		if err != nil {
			return err
		}
		if role != nil {
			m.Role = role.ID
			kept = append(kept, m)
		}
	}
	o.Memberships = kept
	return nil
}

// given returns the role that a membership at a place gives, and nil where it is gone.
func (r *restoring) given(ctx context.Context, at Place, id string) (*Role, error) {
	role := r.roles[id]
	if role == nil {
		var err error
		if role, err = r.role(ctx, id); errors.Is(err, store.ErrNotFound) {
			return nil, nil //nolint:nilnil // a role that is gone permits nothing
		} else if err != nil {
			return nil, err
		}
	}
	if _, level := at.reference(); role.Assignable != level {
		return nil, broken("role", "must be a role for members of a place of type "+string(level))
	}
	if err := r.May(ctx, at, "member:create"); err != nil {
		return nil, err
	}
	return role, r.mayGive(ctx, at, role.Permissions)
}

func (r *restoring) planMembers(ctx context.Context) error {
	seen := map[string]bool{}
	for _, m := range r.from.Members {
		f := Finding{Kind: store.KeptOperatorMembership, ID: m.Reference + "/" + m.Operator}
		o, err := r.owner(m.Operator, f)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		f.Name = o.Name
		role, err := r.memberAllowed(ctx, m)
		switch {
		case err == nil && role == nil:
			f.Left = "Its place or its role is not there"
		case err == nil && seen[f.ID]:
			err = broken("reference", "is there twice")
		case err == nil:
			seen[f.ID] = true
			m.Role = role.ID
			o.members = append(o.members, m)
		}
		if err := r.told(f, err); err != nil {
			return err
		}
	}
	return nil
}

// owner returns the operator who is made and to whom something belongs, and nil where nobody is. That it is left out was said with
// those who are here.
func (r *restoring) owner(id string, f Finding) (*returning, error) {
	o := r.byID[id]
	if o != nil || r.here[id] {
		return o, nil
	}
	f.Left = "It belongs to an operator who is not in the archive"
	return nil, r.say(f)
}

// memberAllowed returns the role of a membership, and nil where there is no such place or role.
func (r *restoring) memberAllowed(ctx context.Context, m store.OperatorMembership) (*Role, error) {
	at := Place{Organization: r.organization, Domain: m.Domain}
	if id, ok := applicationOf(m.Reference); ok {
		at.Application = id
	} else if m.Reference != store.PlaceOfDomain(m.Domain) || m.Domain == "" {
		return nil, broken("reference", "must be that of a domain or an application in it")
	}
	at, ok, err := r.there(ctx, at)
	if err != nil || !ok {
		return nil, err
	}
	return r.given(ctx, at, m.Role)
}

// planTokens plans the tokens of operators who are made. A caller who uses one brings none: it would live on in them, as it would in those
// that it made by hand.
func (r *restoring) planTokens(ctx context.Context) error {
	seen := map[string]bool{}
	for _, t := range r.from.Tokens {
		f := Finding{Kind: store.KeptPersonalToken}
		o, err := r.owner(t.Operator, f)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		f.Name = o.Name + ": " + t.Name
		if caller, ok := From(ctx); ok && caller.Personal {
			f.Left = "It is left out: a personal token can not make tokens, and you use one. Sign in and make another one for them"
			if err := r.say(f); err != nil {
				return err
			}
			continue
		}
		err = r.tokenAllowed(ctx, o, t)
		if err == nil && (seen[t.Hash] || seen[t.ID]) {
			err = broken("id", "is there twice")
		}
		switch {
		case err != nil:
		case !t.ExpiresAt.IsZero() && !r.Now().Before(t.ExpiresAt):
			f.Left = "It has expired"
		default:
			f.ID, seen[t.Hash], seen[t.ID] = t.ID, true, true
			t.OperatorName = o.Name
			o.tokens = append(o.tokens, t)
		}
		if err := r.told(f, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) tokenAllowed(ctx context.Context, o *returning, t *store.PersonalToken) error {
	if err := firstOf(identifier("id", t.ID), required("name", t.Name), bounded("name", t.Name, maxTokenName)); err != nil {
		return err
	}
	switch {
	case len(t.Hash) != len(secret.HashToken("")):
		return broken("_id", "must be the hash of a token")
	case t.ExpiresAt.Sub(r.Now()) > maxPersonalLifetime:
		return broken("expiresAt", "must be at most 100 years from now")
	case len(o.tokens) >= maxPersonalTokens:
		return fault.Invalidf("Too many tokens. Cannot create more than %d tokens", maxPersonalTokens)
	}
	if err := r.May(ctx, Place{Organization: r.organization}, "operator_token:create"); err != nil {
		return err
	}
	other, err := r.Store.PersonalTokens().Get(ctx, t.Hash)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && other.Operator == o.ID: // left by an import that was interrupted
		return nil
	case err != nil:
		return err
	}
	return broken("_id", "is the token of somebody else")
}

// Make stores what was planned, and notes each of it as its creation. Made is told of the kind of each. An operator comes after what
// is theirs, so that whoever begins again after a failure finds either nobody or everything.
func (r *Restoration) Make(ctx context.Context, made func(kind string)) error {
	for _, one := range r.roles {
		if err := r.s.Store.OperatorRoles().Insert(ctx, one); err != nil {
			return meanwhile(err, "role", one.Name)
		}
		r.s.recordRole(ctx, actionCreate, nil, one)
		made(store.KeptOperatorRole)
	}
	for _, o := range r.operators {
		if err := r.s.bringBack(ctx, o); err != nil {
			return err
		}
		made(store.KeptOperator)
		for range o.members {
			made(store.KeptOperatorMembership)
		}
		for range o.tokens {
			made(store.KeptPersonalToken)
		}
	}
	return nil
}

// meanwhile says that somebody made what was about to be made.
func meanwhile(err error, what, name string) error {
	if errors.Is(err, store.ErrDuplicate) {
		return fault.Conflictf("The %s [%s] was made by somebody else meanwhile. Import the archive again", what, name).Because(err)
	}
	return err
}

func (s *Service) bringBack(ctx context.Context, o *returning) error {
	for _, m := range o.members {
		if err := s.Store.OperatorMembers().Put(ctx, m); err != nil {
			return err
		}
	}
	for _, t := range o.tokens {
		err := s.Store.PersonalTokens().Insert(ctx, t)
		if errors.Is(err, store.ErrDuplicate) {
			var other *store.PersonalToken
			if other, err = s.Store.PersonalTokens().Get(ctx, t.Hash); err == nil && other.Operator != o.ID {
				err = fault.Conflictf("A token of operator [%s] is that of somebody else", o.Name)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := s.Store.Operators().Insert(ctx, o.Operator); err != nil {
		if _, found := s.Store.Operators().Find(ctx, o.ID); errors.Is(found, store.ErrNotFound) {
			// Nobody has the identifier, so what cannot be removed now does nothing.
			if err := errors.Join(s.Store.PersonalTokens().RemoveOperator(ctx, o.ID), s.Store.OperatorMembers().RemoveOperator(ctx, o.ID)); err != nil {
				s.Logger.ErrorContext(ctx, "tokens and memberships of an operator who was not made not removed", "user", o.Name, "err", err)
			}
		}
		return meanwhile(err, "operator", o.Name)
	}
	s.recordOperator(ctx, actionCreate, nil, o.Operator)
	for _, m := range slices.Concat(o.Memberships, o.members) {
		s.recordMembership(ctx, o.Name, nil, &m)
	}
	for _, t := range o.tokens {
		s.record(ctx, Change{Action: actionCreate, Kind: kindToken, ID: t.ID, Name: o.Name + ": " + t.Name, After: tokenTree(t)})
	}
	return nil
}
