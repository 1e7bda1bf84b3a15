// Package harness runs the real programs of the built-in harnesses, as fleet's own recipes install them, under runner,
// sandbox, gate and broker, against stand-ins of their vendors' APIs. Its tests exist only with the build tag machine.
package harness
