/* tests/bench/libs.c: what loading the program's libraries costs by itself; linked to the same ones. */
int
main(void)
{
    return 0;
}
