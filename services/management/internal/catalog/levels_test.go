package catalog

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestEveryTemplateHasAVocabulary(t *testing.T) {
	for n := range configv1.Form_Template_name {
		word := FormTemplate(configv1.Form_Template(n))
		if (pagetext.Page(word) != nil) != (word != "") {
			t.Errorf("the form %q has no vocabulary", word)
		}
	}
	for n := range configv1.Email_Template_name {
		word := EmailTemplate(configv1.Email_Template(n))
		if (pagetext.Email(word) != nil) != (word != "") {
			t.Errorf("the e-mail %q has no vocabulary", word)
		}
	}
}

func TestEveryStepHasAPolicy(t *testing.T) {
	s := &configv1.FlowStep{}
	arms := s.ProtoReflect().Descriptor().Oneofs().ByName("config").Fields()
	for i := range arms.Len() {
		fresh := &configv1.FlowStep{}
		fresh.ProtoReflect().Mutable(arms.Get(i))
		if policyOf(fresh) == "" {
			t.Errorf("the step %s has no policy", arms.Get(i).Name())
		}
	}
}

func TestLevels(t *testing.T) {
	for _, k := range All {
		r := k.NewResource()
		l, leveled := r.(Leveled)
		if leveled != IsLeveled(k) {
			t.Errorf("%s: leveled %v", k.Descriptor().Arm, leveled)
		}
		SetLevel(r, "d", "a")
		if leveled && (l.GetApplication() != "a" || l.GetLevel() != "a") {
			t.Errorf("%s: level %q of %q", k.Descriptor().Arm, l.GetLevel(), l.GetApplication())
		}
		SetLevel(r, "d", "")
		if leveled && (l.GetApplication() != "" || l.GetLevel() != "d") {
			t.Errorf("%s: level %q of %q", k.Descriptor().Arm, l.GetLevel(), l.GetApplication())
		}
	}
	for _, k := range LeveledKinds {
		if !IsLeveled(k) {
			t.Errorf("%s has no levels", k.Descriptor().Arm)
		}
	}
}
