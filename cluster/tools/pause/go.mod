// The program that holds a pod's namespaces open.
module algotrading.io/cluster/tools/pause

go 1.24.0
