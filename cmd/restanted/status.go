package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway/admin"
)

// statusWait is how long a gateway may take to answer.
const statusWait = 15 * time.Second

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how a running gateway is doing, and what needs you",
		Long: `status asks the gateway that runs under this configuration, at admin.listen, and
prints what it says. It ends with status 0 when nothing needs you, and else 1.`,
		Example: "  restanted status --config restanted.toml",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	asJSON := c.Flags().Bool("json", false, "print what /health answers")
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, err := load(*path)
		if err != nil {
			return err
		}
		if conf.Admin.Listen == "" {
			return fmt.Errorf("the operator's view is off: write listen = \"127.0.0.1:1190\" under [admin] in %s, and restart the gateway", *path)
		}
		text, health, err := askHealth(c.Context(), conf.Admin.Listen)
		if err != nil {
			return err
		}
		if *asJSON {
			_, err = c.OutOrStdout().Write(text)
		} else {
			err = printHealth(c.OutOrStdout(), health)
		}
		if err == nil && !health.OK {
			err = errors.New("something needs you")
		}
		return err
	}
	return c
}

// askHealth asks a gateway for its health.
func askHealth(ctx context.Context, listen string) (text []byte, h admin.Health, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(listen)+"/health", http.NoBody)
	if err != nil {
		return nil, h, err
	}
	// Not by a proxy that the environment names: it would be asked for its own.
	client := http.Client{Transport: &http.Transport{}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, h, errors.New("nobody answers at admin.listen: the gateway does not run, or runs with an older configuration")
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	const most = 1 << 20
	if text, err = io.ReadAll(io.LimitReader(answer.Body, most)); err != nil {
		return nil, h, err
	}
	if err := json.Unmarshal(text, &h); err != nil || answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusServiceUnavailable {
		return nil, h, errors.New("what answers at admin.listen is no Restante gateway")
	}
	return text, h, nil
}

// reachable makes of an address that is listened on one that can be asked.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return listen
}

// printHealth prints what a page would show.
func printHealth(w io.Writer, h admin.Health) error {
	state := "All is well"
	if !h.OK {
		state = "Something needs you"
	}
	fmt.Fprintf(w, "%s. Version %s, up for %v.\n", state, h.Version, time.Since(h.Started).Round(time.Second))
	for _, t := range h.Trouble {
		fmt.Fprintf(w, "\n! %s\n  %s\n", t.Name, t.Says)
	}
	fmt.Fprintln(w)
	for _, f := range h.Figures {
		name := f.Help
		if f.Label != "" {
			name += " (" + f.Label + ")"
		}
		if _, err := fmt.Fprintf(w, "%14.15g  %s\n", f.Value, name); err != nil {
			return err
		}
	}
	return nil
}
