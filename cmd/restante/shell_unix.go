//go:build !windows

package main

const shellName, shellFlag = "sh", "-c"
