package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

func TestWhatAPersonHoldsIsFoundOutOnce(t *testing.T) {
	here, there := 0, map[string]int{}
	in := accessInput(t)
	in.Access.Held = func() Holding {
		here++
		return Holding{{Name: "admin"}}
	}
	in.Access.Elsewhere = func(slug string) (Holding, bool) {
		there[slug]++
		return Holding{{Name: "editor"}}, slug == "wiki"
	}
	for _, text := range []string{
		`lists.range(1000).all(i, lists.range(5).all(j, entitlements.exists(e, e.name == "admin") && size(entitlementAttributes) == 0))`,
		`lists.range(1000).all(i, entitlementsOf("wiki").exists(e, e.name == "editor") && size(entitlementAttributesOf("wiki")) == 0)`,
		`lists.range(1000).all(i, size(entitlementsOf("nowhere")) == 0)`,
	} {
		r, err := CompileRule(AccessPolicy, text)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.Holds(t.Context(), in)
		_, _, _ = r.Partly(t.Context(), in)
		_ = r.Because(t.Context(), in)
	}
	if diff := cmp.Diff(map[string]int{"wiki": 1, "nowhere": 1}, there); diff != "" || here != 1 {
		t.Errorf("found out %d times here, elsewhere (-want +got):\n%s", here, diff)
	}
}

func TestWhatIsNotReadIsNotFoundOut(t *testing.T) {
	in := accessInput(t)
	in.Access.Held = func() Holding { t.Error("asked"); return Holding{} }
	r, err := CompileRule(AccessPolicy, `user.id == "u1" || entitlements.exists(e, e.name == "admin")`)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := r.Holds(t.Context(), in); !holds || err != nil {
		t.Errorf("%v, %v", holds, err)
	}
}

func structs(t *testing.T, n, keys int) Holding {
	t.Helper()
	var list Holding
	for i := range n {
		m := map[string]any{"list": []any{fmt.Sprint(i), "same"}}
		for j := range keys {
			m[fmt.Sprintf("k%d-%d", i, j)] = "x"
		}
		s, err := structpb.NewStruct(m)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Entitlement{Name: fmt.Sprint("e", i), Attributes: s})
	}
	return list
}

func TestAttributesOfEntitlementsHaveModerateSize(t *testing.T) {
	r, err := CompileRule(AccessPolicy, `size(entitlementAttributes) > 0`)
	if err != nil {
		t.Fatal(err)
	}
	in := accessInput(t)
	in.Access.Held = func() Holding { return structs(t, 20, 100) }
	if holds, err := r.Holds(t.Context(), in); !holds || err != nil {
		t.Errorf("2000 attributes: %v, %v", holds, err)
	}
	in = accessInput(t)
	in.Access.Held = func() Holding { return structs(t, 200, 1000) }
	began := time.Now()
	if _, err := r.Holds(t.Context(), in); err == nil || !strings.Contains(err.Error(), "more than 10000 entries") {
		t.Errorf("200000 attributes: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second { // most of it is making them
		t.Errorf("it took %v", took)
	}

	ask := make([]string, 6)
	for i := range ask {
		ask[i] = fmt.Sprintf(`size(entitlementAttributesOf("app%d")) > 0`, i)
	}
	if r, err = CompileRule(AccessPolicy, strings.Join(ask, " && ")); err != nil || !r.Counted() {
		t.Fatalf("%v, counted %v", err, r.Counted())
	}
	in.Access.Elsewhere = func(string) (Holding, bool) { return structs(t, 90, 100), true }
	if _, err := r.Holds(t.Context(), in); err == nil || !strings.Contains(err.Error(), "entries") {
		t.Errorf("six times 9000 attributes: %v", err)
	}
}

func TestReadingEntitlementsCostsSomething(t *testing.T) {
	cost := func(text string) uint64 {
		r, err := CompileRule(AccessPolicy, text)
		if err != nil {
			t.Fatal(err)
		}
		most, _ := r.Cost()
		return most
	}
	names, attributes := cost(`size(entitlements) > 0`), cost(`size(entitlementAttributes) > 0`)
	if names < holdingCost || attributes < holdingCost+mergingCost {
		t.Errorf("names %d, attributes %d", names, attributes)
	}
}

// Lists of groups are long, and made once.
func TestReadingGroupsInALoopIsOver(t *testing.T) {
	in := accessInput(t)
	for i := range 4000 {
		in.Access.User.Standing.Groups = append(in.Access.User.Standing.Groups, &directoryv1.Standing_Group{Id: fmt.Sprint(i), Name: "g"})
	}
	r, err := CompileRule(AccessPolicy, `lists.range(1000).all(i, size(user.groups) > 0 && size(user.groupIds) > 0 && size(user.directGroups) > 0)`)
	if err != nil {
		t.Fatal(err)
	}
	allocated := testing.AllocsPerRun(1, func() {
		if holds, err := r.Holds(t.Context(), in); !holds || err != nil {
			t.Errorf("%v, %v", holds, err)
		}
	})
	if allocated > 40_000 {
		t.Errorf("%v allocations", allocated)
	}
	if a, b := in.Access.groups(groupNames), in.Access.groups(groupNames); &a[0] != &b[0] {
		t.Error("the list is made again")
	}
}

func TestMergingAllIsMergingOneAfterTheOther(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	object := func(depth int) *rapid.Generator[map[string]any] {
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), value(depth), 0, 3)
	}
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(rt *rapid.T) any {
			switch n := rapid.IntRange(0, 5).Draw(rt, "kind"); {
			case n < 2 && depth > 0:
				return object(depth-1).Draw(rt, "object")
			case n < 4 && depth > 0:
				return rapid.SliceOfN(value(depth-1), 1, 3).Draw(rt, "list")
			case n == 4:
				return nil
			}
			return rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "text")
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(object(2), 0, 5).Draw(rt, "list")
		want := map[string]any{}
		for _, m := range list {
			want = Merge(want, m)
		}
		if diff := cmp.Diff(want, MergeAll(list)); diff != "" {
			rt.Errorf("%v (-want +got):\n%s", list, diff)
		}
	})
}
