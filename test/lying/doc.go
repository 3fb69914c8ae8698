// Package lying tests what users of the program restante notice of gateways and
// servers that lie to them. Between the program and a true gateway stands a
// network that alters answers; the gateway's own keys are known to it, so that it
// can lie as the gateway itself could.
package lying
