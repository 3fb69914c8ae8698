//go:build race

package harness

// raceFlag has the program looked at as the tests are.
const raceFlag = "-race"
