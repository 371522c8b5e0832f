//go:build !nextlevel

package control

// nextRoutes belongs to the build tag nextlevel (engine/nextlevel.go); here there are none.
func nextRoutes() []route { return nil }
