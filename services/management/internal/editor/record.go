package editor

import "github.com/gatehouse-am/gatehouse/services/management/internal/store"

// Action is what was done to the resource that a change is about. What comes along with it is created, updated or deleted.
type Action string

// The actions.
const (
	Created       Action = store.ActionCreate
	Updated       Action = store.ActionUpdate
	Deleted       Action = store.ActionDelete
	TypeChanged   Action = "change_type"
	SecretAdded   Action = "create_secret"
	SecretRenewed Action = "renew_secret"
	SecretDeleted Action = "delete_secret"
	Registered    Action = "register"
	Reregistered  Action = "update_registration"
	Accepted      Action = "accept_registration"
	Unused        Action = "disable_unused"
	Rotated       Action = "rotate"
	Restored      Action = "restore"

	BindingAdded       Action = "create_binding"
	BindingChanged     Action = "update_binding"
	BindingDeleted     Action = "delete_binding"
	BindingsReordered  Action = "reorder_bindings"
	AccessReplaced     Action = "replace_access"
	EntitlementAdded   Action = "create_entitlement"
	EntitlementChanged Action = "update_entitlement"
	EntitlementDeleted Action = "delete_entitlement"
)
