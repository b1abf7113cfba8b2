package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

func (a *App) gateways() *cobra.Command {
	return within(&cobra.Command{Use: "gateways", Short: "The gateways that are connected"}, &cobra.Command{
		Use: "status", Short: "How far the gateways are, and what they cannot use", Args: nothing,
		Long: `List the gateways that are connected to management: the revision of the configuration that each has applied, for how long
there has been a newer one, what it cannot use, and at which replica of management its stream ends. What another replica than
the one that answers has said of them is a few seconds old. It ends with 2 where a gateway cannot use something.`,
		Example: "  gatehousectl gateways status\n  gatehousectl gateways status -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.gatewayStatus(cmd.Context()) },
	})
}

func (a *App) gatewayStatus(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	answer, err := c.Conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return c.Conn.ListGateways(ctx) })
	if err != nil {
		return err
	}
	all, _ := answer.Tree.([]any)
	t := table.Table{Columns: []string{"GATEWAY", "REVISION", "BEHIND", "REJECTED", "CONNECTED", "REPLICA", "DOMAINS"}}
	refused := 0
	for _, entry := range all {
		g, _ := entry.(things.Object)
		lag, _ := g["lagMillis"].(json.Number)
		millis, _ := lag.Int64()
		rejections, _ := g["rejections"].([]any)
		refused += len(rejections)
		domains := "all"
		if g["domains"] != nil {
			domains = table.Cell("", g["domains"])
		}
		t.Rows = append(t.Rows, []string{
			table.Cell("", g["node"]), table.Cell("", g["revision"]), (time.Duration(millis) * time.Millisecond).String(),
			strconv.Itoa(len(rejections)), table.Cell("connectedAt", g["connectedAt"]), table.Cell("", g["replica"]), domains,
		})
		if a.flags.output == "table" {
			for _, r := range rejections {
				o, _ := r.(things.Object)
				say(a.Err, "%s cannot use %s %s of domain %s: %s\n", table.Cell("", g["node"]), table.Cell("", o["kind"]),
					table.Cell("", o["id"]), table.Cell("", o["domain"]), table.Cell("", o["reason"]))
			}
		}
	}
	if err := a.print(t, all, func(i int) string { return t.Rows[i][0] }); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("gateways cannot use %d resources, and go on with what they had before", refused)
	}
	return nil
}
