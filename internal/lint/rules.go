package lint

// Rule is one rule of the repository.
type Rule struct {
	Name  string
	Check func(*Tree) []Finding
}

// Rules returns every rule.
func Rules() []Rule {
	return []Rule{
		{"imports", imports},
		{"owners", libraryOwners},
		{"embeddable", embeddableDeps},
		{"package-docs", packageDocs},
		{"package-names", packageNames},
		{"pure-imports", pureImportList},
		{"pure-syntax", pureSyntax},
		{"pure-floats", pureFloats},
		{"pure-maps", pureMaps},
		{"clock", clockFiles},
		{"size", sizes},
		{"variables", variables},
		{"tests", testCalls},
		{"leftovers", leftovers},
		{"machine-paths", machinePaths},
		{"links", links},
		{"makefile", makefileHelp},
		{"runbook", runbookQuotes},
	}
}
