// Package bridge tests users of the program restante as a whole: their bridges,
// two gateways, and two servers between them that are nobody's gateway, one of them
// an InterNetNews. Nobody reads from a gateway, and the two who write to each other
// share none.
package bridge
