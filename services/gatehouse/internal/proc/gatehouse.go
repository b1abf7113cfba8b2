package proc

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Gatehouse is the development binary.
type Gatehouse struct {
	*Process
	DataDir                string
	ManagementURL          string // with /management
	GatewayURL             string
	DemoURL                string
	TechnicalURL           string
	ManagementTechnicalURL string
}

// Demonstration is what the development binary made on its first start, as its file says.
type Demonstration struct {
	Domain       struct{ ID, Path string }
	User         struct{ Name, Password string }
	Web, Service struct{ ID, ClientID, ClientSecret, RedirectURI string }
}

// DevelopmentPassword is the operator's in the development binary.
const DevelopmentPassword = "adminadmin"

// StartGatehouse starts the development binary on free ports with a new data directory, and waits until it has said
// what can be done. More arguments may say anything else.
func StartGatehouse(t testing.TB, args ...string) *Gatehouse {
	t.Helper()
	management, gateway, demo := FreeAddress(t), FreeAddress(t), FreeAddress(t)
	technical, managementTechnical := FreeAddress(t), FreeAddress(t)
	g := &Gatehouse{
		DataDir:       filepath.Join(t.TempDir(), "data"),
		ManagementURL: "http://" + management + "/management", GatewayURL: "http://" + gateway, DemoURL: "http://" + demo,
		TechnicalURL: "http://" + technical, ManagementTechnicalURL: "http://" + managementTechnical,
	}
	g.Process = Start(t, "gatehouse", Program(t, "gatehouse"), append([]string{
		"--data-dir", g.DataDir, "--management-address", management, "--gateway-address", gateway, "--demo-address", demo,
		"--technical-address", technical, "--management-technical-address", managementTechnical,
		"--log-level", "DEBUG", "--log-format", "json",
	}, args...), nil)
	g.Ready()
	return g
}

// Ready waits until the process has said what can be done since it was last started.
func (g *Gatehouse) Ready() {
	g.t.Helper()
	g.Await("gatehouse is ready", 2*readyWithin, func(context.Context) error {
		if !strings.Contains(g.Stdout(), "Gatehouse is running") {
			return errors.New("it does not say so yet")
		}
		return nil
	})
}

// Restart stops the process in order and starts it again on the same ports and data.
func (g *Gatehouse) Restart() {
	g.t.Helper()
	g.Stop()
	g.stdout.reset()
	g.Relaunch()
	g.Ready()
}

// RestartKilled is Restart for a process that is killed.
func (g *Gatehouse) RestartKilled() {
	g.t.Helper()
	g.RestartKilledAfter(func() {})
}

// RestartKilledAfter is RestartKilled, and something is done while the process is away.
func (g *Gatehouse) RestartKilledAfter(meanwhile func()) {
	g.t.Helper()
	g.Kill()
	meanwhile()
	g.stdout.reset()
	g.Relaunch()
	g.Ready()
}

// Operator signs the operator in.
func (g *Gatehouse) Operator() *API {
	g.t.Helper()
	return SignIn(g.t, g.ManagementURL, "admin", DevelopmentPassword)
}

// Demonstration reads the file of the demonstration.
func (g *Gatehouse) Demonstration() Demonstration {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.DataDir, "demo.json"))
	if err != nil {
		g.t.Fatal(err)
	}
	var d Demonstration
	if err := json.Unmarshal(text, &d); err != nil {
		g.t.Fatal(err)
	}
	return d
}
