package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// misused adds to what was wrong with a command line where it is said how it should be.
func misused(c *cobra.Command, problem string) error {
	return fmt.Errorf("%s\nIt goes like this: %s\nMore: %s --help", problem, c.UseLine(), c.CommandPath())
}

// wrongFlag is for flags that there are not, and values that they do not take.
func wrongFlag(c *cobra.Command, err error) error {
	problem := err.Error()
	if name, ok := strings.CutPrefix(problem, "unknown flag: --"); ok {
		problem = "unknown flag: --" + name + nearestFlag(c, name)
	}
	return misused(c, problem)
}

// nearestFlag suggests a flag that begins, or goes on, like one that there is not.
func nearestFlag(c *cobra.Command, name string) string {
	var near []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && len(name) > 1 && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
			near = append(near, "--"+f.Name)
		}
	})
	if near == nil {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// nothing refuses arguments.
func nothing(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misused(c, fmt.Sprintf("%s takes no %q", c.CommandPath(), args[0]))
	}
	return nil
}

// between wants so many arguments, and says what is missing; most of -1 is any number.
func between(least, most int, missing string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return misused(c, missing)
		case most >= 0 && len(args) > most:
			return misused(c, fmt.Sprintf("%q is too much for %s; put names with spaces into quotes", args[most], c.CommandPath()))
		}
		return nil
	}
}

// within makes a command that only holds others: alone it says which, and a name that is none of theirs is an error.
func within(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		problem := fmt.Sprintf("there is no %s %s", c.CommandPath(), args[0])
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			problem += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return errors.New(problem + "\nMore: " + c.CommandPath() + " --help")
	}
	c.Args = cobra.ArbitraryArgs
	c.SuggestionsMinimumDistance = 2
	return c
}
