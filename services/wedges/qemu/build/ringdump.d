build/ringdump.o: ringdump.c ../include/reheat_ring.h
../include/reheat_ring.h:
