package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "top folder of the repository, where go.work lies")
	table := flag.String("rules", "scripts/imports.txt", "table of rules, relative to the root")
	flag.Parse()
	complaints, checked, err := run(*root, filepath.Join(*root, *table))
	if err != nil {
		fmt.Fprintln(os.Stderr, "check-imports:", err)
		os.Exit(2)
	}
	for _, c := range complaints {
		fmt.Fprintln(os.Stderr, c)
	}
	if len(complaints) > 0 {
		fmt.Fprintf(os.Stderr, "check-imports: %d rules broken; the table is %s\n", len(complaints), *table)
		os.Exit(1)
	}
	fmt.Printf("check-imports: %s\n", checked)
}

// run returns what breaks the rules, and a sentence saying what was looked at.
func run(root, table string) (complaints []string, checked string, err error) {
	text, err := os.ReadFile(table)
	if err != nil {
		return nil, "", err
	}
	rules, err := parse(string(text))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", table, err)
	}
	modules, err := workspace(root)
	if err != nil {
		return nil, "", err
	}
	var packages []pkg
	for _, m := range modules {
		found, err := list(filepath.Join(root, m))
		if err != nil {
			return nil, "", err
		}
		packages = append(packages, found...)
	}
	complaints = rules.check(modules, packages)
	for _, b := range rules.binaries {
		linked, err := dependencies(root, modules, b.name)
		if err != nil {
			complaints = append(complaints, fmt.Sprintf("%s cannot be listed: %v", b.name, err))
			continue
		}
		complaints = append(complaints, b.check(linked)...)
	}
	checked = fmt.Sprintf("%d packages in %d modules and %d binaries keep the rules", len(packages), len(modules), len(rules.binaries))
	return complaints, checked, nil
}
