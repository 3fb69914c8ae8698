// Package bridge tests users of the program restante as a whole: their bridges,
// two gateways, and two servers between them that are nobody's gateway, one of them
// an InterNetNews. Nobody reads from a gateway or posts there, and the two who write
// to each other share no server.
//
// Users reach every server through a proxy that records what they say. The gateways
// are built anew from patched sources, and write down whatever their functions are
// given and return: what a gateway could see, if it wanted to.
package bridge
