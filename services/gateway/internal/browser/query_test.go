package browser

import "testing"

func TestWithout(t *testing.T) {
	tests := []struct{ name, query, want string }{
		{"the rest stays as it was sent", "b=%20+&a=1&error=x&c", "b=%20+&a=1&c"},
		{"every occurrence goes", "error=1&a=1&error=2", "a=1"},
		{"an encoded name is the same name", "%65rror=1&a=1", "a=1"},
		{"another name that begins alike stays", "errors=1", "errors=1"},
		{"empty pairs go", "&&a=1&", "a=1"},
		{"what cannot be decoded stays", "%zz=1&a=1", "%zz=1&a=1"},
		{"nothing stays nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Without(tt.query, "error"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWith(t *testing.T) {
	if got := With("a=1", "b", "x y&z", "c", ""); got != "a=1&b=x+y%26z&c=" {
		t.Errorf("got %q", got)
	}
	if got := With("", "b", "1"); got != "b=1" {
		t.Errorf("got %q", got)
	}
}
