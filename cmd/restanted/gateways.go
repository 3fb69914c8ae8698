package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway/mirror"
)

func gatewaysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gateways",
		Short: "List the other gateways that are known here",
		Long: `gateways prints every other gateway whose directory is known here, the number of
that directory, and its signing key. It works beside a running gateway.

One that has a [[gateway]] table and is not known is listed as unheard: no directory
of it has come that the key in its table has signed. If that stays so, the gateway has
mostly replaced its key since: ask its operator for the key of now, write it into the
table, and reload.

A gateway that has signed two directories that contradict each other is convicted:
nothing more of its pool is taken, and nothing is sealed to it. --proof prints both
directories, for its operator and for people who use it. Mostly its key was stolen or
it lies; but a gateway that was brought back from an old copy can do it by mistake.
Where its operator has convinced you of that, write what the list says into its
[[gateway]] table, like pardon = 7, and reload: what it signed up to that number is
forgiven, and anything after that convicts it again.`,
		Example: "  restanted gateways\n  restanted gateways --proof news.example.net",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	proof := c.Flags().String("proof", "", "print the proof against the gateway of that `domain`")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, err := load(*path)
		if err != nil {
			return err
		}
		s, err := settings(conf, zerolog.Nop())
		if err != nil {
			return err
		}
		policy, err := s.Policy()
		if err != nil {
			return err
		}
		all := policy.Book.List()
		if *proof != "" {
			return printProof(c, all, *proof)
		}
		return printGateways(c, standings(all, policy.Book.Unheard()), *asJSON)
	}
	return c
}

// printProof prints the two directories of a fork, with an empty line between.
func printProof(c *cobra.Command, all []mirror.Standing, domain string) error {
	at := slices.IndexFunc(all, func(s mirror.Standing) bool { return s.Domain == domain })
	if at < 0 || all[at].Fork == nil {
		return fmt.Errorf("there is no proof against %s here", domain)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n%s", all[at].Fork.A, all[at].Fork.B)
	return err
}

// A standing is what is printed of a gateway.
type standing struct {
	Domain    string `json:"domain"`
	Directory uint64 `json:"directory"`
	Standing  string `json:"standing"`
	Pardon    uint64 `json:"pardon,omitempty"` // what would have it taken again
	Key       string `json:"key"`
}

// standings is what is printed of those that are known, and of those that should be.
func standings(all []mirror.Standing, unheard []mirror.Unheard) []standing {
	out := make([]standing, len(all))
	for i, s := range all {
		out[i] = standing{Domain: s.Domain, Directory: s.Serial, Key: s.Key.Line()}
		switch {
		case s.Convicted:
			out[i].Standing, out[i].Pardon = "convicted", s.Fork.Pardon()
		case !s.Taken:
			out[i].Standing = "refused"
		case s.Fork != nil:
			out[i].Standing = "pardoned"
		case s.Named:
			out[i].Standing = "named"
		default:
			out[i].Standing = "learnt"
		}
	}
	for _, u := range unheard {
		s := standing{Domain: u.Domain, Standing: "unheard"}
		if u.Key != nil {
			s.Key = u.Key.Line()
		}
		out = append(out, s)
	}
	return out
}

func printGateways(c *cobra.Command, out []standing, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	if len(out) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "no other gateway is known")
		return nil
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "gateway\tdirectory\tstanding\tkey")
	for _, s := range out {
		what := s.Standing
		if s.Pardon > 0 {
			what = fmt.Sprintf("%s; to forgive it: pardon = %d", what, s.Pardon)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", s.Domain, s.Directory, what, s.Key)
	}
	return w.Flush()
}
