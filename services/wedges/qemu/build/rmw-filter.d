build/rmw-filter.o: rmw-filter.c insn.h
insn.h:
